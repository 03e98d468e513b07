//! The programs tensorplex and tensorplex-server.
