/* What the player of a take has not: a timeline below it, and a null score of other clips' sounds. */

function movePlayhead() {}
NULLS.pop();
