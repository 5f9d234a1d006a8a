/* There is no timeline below this player. */

function movePlayhead() {}
