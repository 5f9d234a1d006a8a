/* What this player has not: a timeline below it, and a chance baseline of other clips' sounds. */

function movePlayhead() {}
BASELINES.pop();
