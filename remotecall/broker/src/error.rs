//! Command errors, in the words of Redis 7.

/// Error reply to a command, which changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("ERR unknown command '{name}', with args beginning with: {arguments}")]
    Unknown { name: String, arguments: String },
    #[error("ERR unknown subcommand '{name}'. Try {command} HELP.")]
    UnknownSubcommand { command: &'static str, name: String },
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    #[error("ERR Unsupported option {0}")]
    UnsupportedOption(String),
    #[error("ERR DB index is out of range")]
    NoSuchDatabase,
    #[error("ERR this broker knows only the patterns 'name', 'prefix*' and '*'")]
    Pattern,

    #[error("NOAUTH Authentication required.")]
    NotAuthenticated,
    #[error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
         <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
         at the same time"
    )]
    HelloNotAuthenticated,
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPassword,
    #[error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure \
         your configuration is correct?"
    )]
    NoPasswordSet,
    #[error("NOPROTO unsupported protocol version")]
    NoSuchProtocol,
    #[error("ERR Protocol version is not an integer or out of range")]
    ProtocolNotInteger,
    #[error("ERR Syntax error in HELLO option '{0}'")]
    HelloOption(String),

    #[error("ERR Invalid stream ID specified as stream command argument")]
    StreamId,
    #[error("ERR The ID specified in XADD must be greater than 0-0")]
    StreamIdZero,
    #[error("ERR The ID specified in XADD is equal or smaller than the target stream top item")]
    StreamIdTooSmall,
    #[error("ERR The stream has exhausted the last possible ID, unable to add more items")]
    StreamIdsExhausted,
    #[error("ERR The {0} argument must be >= 0.")]
    Negative(&'static str),
    #[error("ERR syntax error, LIMIT cannot be used without the special ~ option")]
    LimitWithoutTilde,
    #[error("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")]
    TwoBounds,
    #[error("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")]
    Unbalanced,
    #[error(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
         option."
    )]
    GroupId,
    #[error("ERR The {0} option is only supported by XREADGROUP. You called XREAD instead.")]
    GroupOption(&'static str),
    #[error("ERR timeout is not an integer or out of range")]
    TimeoutNotInteger,
    #[error("ERR timeout is negative")]
    TimeoutNegative,
    #[error("ERR invalid {0} ID for the interval")]
    Interval(&'static str),
}

/// Limit on the client's bytes that an error repeats.
pub(super) const MAX_ECHO: usize = 128;

/// A client's bytes as text for an error, cut to `limit`.
pub(super) fn echo(bytes: &[u8], limit: usize) -> String {
    String::from_utf8_lossy(bytes.get(..limit).unwrap_or(bytes)).into_owned()
}
