//! Level methods: one for a message and one for a template, per level.

use super::Logger;
use crate::level::Level;
use crate::message::{Text, Words};

macro_rules! levels {
    ($($level:expr, $name:ident, $fmt:ident;)*) => {
        impl Logger {$(
            #[doc = concat!("Logs a message with the level `", stringify!($name), "`.")]
            pub fn $name<'a>(&self, message: impl Into<Text<'a>>) {
                self.log($level, message);
            }

            #[doc = concat!("Logs a filled template with the level `", stringify!($name), "`; see [`Words::format`].")]
            pub fn $fmt(&self, template: &str, words: Words) {
                self.log_fmt($level, template, words);
            }
        )*}

        #[cfg(test)]
        pub(super) const NAMES: &[(Level, &str)] = &[$(($level, stringify!($name))),*];
    };
}

levels! {
    Level::DEBUG, debug, debug_fmt;
    Level(11), debug1, debug1_fmt;
    Level(12), debug2, debug2_fmt;
    Level(13), debug3, debug3_fmt;
    Level(14), debug4, debug4_fmt;
    Level(15), debug5, debug5_fmt;
    Level(16), debug6, debug6_fmt;
    Level(17), debug7, debug7_fmt;
    Level(18), debug8, debug8_fmt;
    Level(19), debug9, debug9_fmt;
    Level::INFO, info, info_fmt;
    Level(21), info1, info1_fmt;
    Level(22), info2, info2_fmt;
    Level(23), info3, info3_fmt;
    Level(24), info4, info4_fmt;
    Level(25), info5, info5_fmt;
    Level(26), info6, info6_fmt;
    Level(27), info7, info7_fmt;
    Level(28), info8, info8_fmt;
    Level(29), info9, info9_fmt;
    Level::WARNING, warning, warning_fmt;
    Level::ERROR, error, error_fmt;
    Level::CRITICAL, critical, critical_fmt;
}
