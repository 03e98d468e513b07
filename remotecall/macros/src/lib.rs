//! The remote attribute of remotecall.
