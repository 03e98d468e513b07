//! Text logs of many workers, one file each.
