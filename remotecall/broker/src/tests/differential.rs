//! Scripts whose replies must be the same from a real Redis 7 and the embedded broker, errors word
//! by word. `compare` has the marks of the lines.

use super::compare::check;

#[test]
fn connections_and_unknown_commands() {
    check(
        r#"
        PING
        ping "hello world"
        PING a b
        ECHO ""
        ECHO x
        ECHO
        SELECT 0
        SELECT 99
        SELECT x
        FOO
        FOO a b c
        "fo\r\no" "a\r\nb"
        FOO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b
        FOO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c
        AUTH x
        AUTH default x
        AUTH bob x
        AUTH a b c
        AUTH
        HELLO 4
        HELLO x
        HELLO 2 AUTH
        HELLO 2 foo
        HELLO 2 AUTH default
        HELLO 2 AUTH bob x
        HELLO 2 SETNAME
        CLIENT
        CLIENT SETNAME worker
        TIME x
        DBSIZE x
        QUIT
        "#,
    );
}

#[test]
fn strings() {
    check(
        r#"
        GET a
        SET a 1
        GET a
        SET a 2 NX
        SET b 2 NX
        SET b 3 XX
        SET c 3 XX
        GET b
        SET a v EX
        SET a v EX 0
        SET a v PX -1
        SET a v EX x
        SET a v EX 1 PX 1
        SET a v EX 1 EX 1
        SET a v NX XX
        SET a v XX NX
        SET a v foo
        SET a v EX 100000000000000000000
        SET a v EX 9223372036854775807
        SET a v PX 9223372036854775807
        SET
        SET a
        GET
        GET a b
        SET a v NX EX
        SET a v nx ex 100
        SET a v xx px 100000
        TTL a
        near: PTTL a
        SET a w
        TTL a
        HSET h f v
        GET h
        SET h now-a-string
        GET h
        SET "" empty
        GET ""
        SET e ""
        GET e
        "#,
    );
}

#[test]
fn keys_and_expiry() {
    check(
        r#"
        EXPIRE none 5
        TTL none
        PTTL none
        SET a 1
        TTL a
        PTTL a
        EXPIRE a 100
        TTL a
        near: PTTL a
        PEXPIRE a 200000
        TTL a
        EXPIRE a x
        EXPIRE a
        EXPIRE a 10 foo
        PEXPIRE a 9223372036854775807
        EXPIRE a 9223372036854775807
        EXPIRE a -9223372036854775807
        EXISTS a
        EXPIRE a 0
        EXISTS a
        SET a 1
        PEXPIRE a -5
        EXISTS a
        SET a 1
        HSET h f v
        XADD s 1-1 f v
        TYPE a
        TYPE h
        TYPE s
        TYPE none
        TYPE
        EXISTS a a h none
        EXISTS
        DBSIZE
        sorted: KEYS *
        KEYS a
        KEYS a*
        KEYS b*
        SET abc 1
        sorted: KEYS a*
        EXPIRE h 100
        HSET h g w
        TTL h
        EXPIRE s 100
        XADD s 2-1 f v
        TTL s
        DEL a h none
        DEL
        DBSIZE
        FLUSHALL foo
        FLUSHALL ASYNC
        DBSIZE
        SET a 1
        FLUSHDB sync
        FLUSHDB
        FLUSHALL a b
        DBSIZE
        "#,
    );
}

#[test]
fn hashes() {
    check(
        r#"
        HSET h
        HSET h a
        HSET h a 1 b
        HSET h a 1 a 2 b 3
        HSET h a 4 c 5
        pairs: HGETALL h
        HGETALL none
        HGET h a
        HGET h x
        HGET none x
        HMGET h a x b
        HMGET none a b
        HMGET h
        HLEN h
        HLEN none
        HDEL h a x
        HDEL h
        HDEL none a
        HDEL h b c
        EXISTS h
        SET s text
        HSET s a 1
        HGET s a
        HMGET s a
        HGETALL s
        HDEL s a
        HLEN s
        "#,
    );
}

#[test]
fn xadd_and_ids() {
    check(
        r#"
        XADD s
        XADD s *
        XADD s * a
        XADD s 5-5 a
        XADD s MAXLEN
        XADD s 0-0 a b
        XADD s x a b
        XADD s 1-x a b
        XADD s -1 a b
        XADD s 18446744073709551616 a b
        EXISTS s
        XADD s 0-1 a b
        XADD s 5-1 a b
        XADD s 5-1 a b
        XADD s 4 a b
        XADD s 5-* c d e f
        XADD s 4-* c d
        XADD s 6 a b
        XADD s 7-* a b
        XADD s x-* a b
        id: XADD s * a b
        XADD s MAXLEN x * a b
        XADD s MAXLEN -1 * a b
        XADD s MAXLEN 1 LIMIT 5 * a b
        XADD s MAXLEN = 1 LIMIT 5 * a b
        XADD s MAXLEN ~ 10 LIMIT -1 * a b
        XADD s MAXLEN ~ 10 LIMIT x * a b
        XADD s MAXLEN 2 MINID 3 * a b
        XADD s MINID x * a b
        XADD none NOMKSTREAM * a b
        EXISTS none
        XADD t NOMKSTREAM NOMKSTREAM 8-1 a b
        XADD t 8-1 a b
        XADD t NOMKSTREAM 8-2 a b
        XADD t MAXLEN 2 9-1 a b
        XADD t MAXLEN = 2 10-1 a b
        XADD t MAXLEN ~ 1000 11-1 a b
        XADD t MINID 11 12-1 a b
        XADD t MINID = 11-1 13-1 a b
        XRANGE t - +
        XADD t maxlen 0 14-1 a b
        XLEN t
        XADD t 18446744073709551615-18446744073709551615 a b
        XADD t * a b
        XADD t 18446744073709551615-* a b
        XADD t 1-1 a b
        SET k v
        XADD k * a b
        XADD k NOMKSTREAM * a b
        XADD "" 1-1 "" ""
        XRANGE "" - +
        XADD u 100000000000000-1 far future
        XADD u * a b
        XADD u * a b
        XRANGE u - +
        XADD u 100000000000000-18446744073709551615 a b
        XADD u * carried over
        XADD v 5-18446744073709551615 a b
        error: XADD v 5-* a b
        "#,
    );
}

#[test]
fn xtrim_xdel_xlen_xinfo() {
    check(
        r#"
        XTRIM s MINID 1
        XLEN s
        XDEL s 1-1
        XINFO STREAM s
        XADD s 1-1 a b
        XADD s 2-1 a b
        XADD s 3-1 a b
        XADD s 3-2 a b c d
        XADD s 4-1 a b
        info: XINFO STREAM s
        XTRIM s
        XTRIM s foo
        XTRIM s foo 1
        XTRIM s MAXLEN
        XTRIM s MAXLEN 1 2
        XTRIM s MAXLEN x
        XTRIM s MAXLEN -1
        XTRIM s MINID x
        XTRIM s MINID =
        XTRIM s MINID 3 LIMIT 5
        XTRIM s MINID 3 MAXLEN 1
        XTRIM s NOMKSTREAM MAXLEN 1
        XTRIM s MINID 2
        XTRIM s MINID = 3-1
        XTRIM s MINID ~ 1 LIMIT 5
        XLEN s
        XDEL s
        XDEL s x
        XDEL s 3-2 9-9
        info: XINFO STREAM s
        XRANGE s - +
        XDEL s 3-1
        XDEL s 4-1
        XLEN s
        EXISTS s
        info: XINFO STREAM s
        XADD s 4-1 a b
        XADD s 4-2 a b
        XTRIM s MAXLEN 0
        XTRIM s MAXLEN 0
        EXISTS s
        XLEN s
        info: XINFO STREAM s
        XADD s 4-2 a b
        XADD s 5 a b
        XINFO
        XINFO STREAM
        XINFO foo
        XINFO foo s
        XINFO STREAM none
        SET k v
        XTRIM k MAXLEN 1
        XLEN k
        XDEL k 1-1
        XINFO STREAM k
        XLEN
        "#,
    );
}

#[test]
fn xrange() {
    check(
        r#"
        XADD s 1-1 a b
        XADD s 2-1 a b
        XADD s 2-2 a b c d
        XADD s 3-0 e f
        XRANGE s
        XRANGE s -
        XRANGE s - +
        XRANGE s 2 2
        XRANGE s 2-2 3
        XRANGE s 2 1
        XRANGE s + -
        XRANGE s - + COUNT 2
        XRANGE s - + COUNT 0
        XRANGE s - + COUNT -1
        XRANGE s - + COUNT
        XRANGE s - + COUNT x
        XRANGE s - + foo 1
        XRANGE s (1-1 +
        XRANGE s - (2-2
        XRANGE s (2 (3
        XRANGE s (x +
        XRANGE s x +
        XRANGE s - y
        XRANGE s (18446744073709551615-18446744073709551615 +
        XRANGE s - (0-0
        XRANGE none - +
        SET k v
        XRANGE k - +
        "#,
    );
}

#[test]
fn xread_without_waiting() {
    check(
        r#"
        XREAD
        XREAD STREAMS s
        XREAD STREAMS s t 0
        XREAD STREAMS s 0
        XADD s 1-1 a b
        XADD s 1-2 a b
        XADD t 5-1 a "line one\r\nline two" c d
        XREAD STREAMS s 0
        XREAD STREAMS s 0-0
        XREAD STREAMS s 1
        XREAD STREAMS s 1-1
        XREAD STREAMS s 1-2
        XREAD STREAMS s t 0 0
        XREAD STREAMS s t none 1-2 0 0
        XREAD COUNT 1 STREAMS s t 0 0
        XREAD COUNT 0 STREAMS s 0
        XREAD COUNT -1 STREAMS s 0
        XREAD COUNT x STREAMS s 0
        XREAD COUNT 1 BLOCK 0 STREAMS s 0
        XREAD BLOCK 1 COUNT 2 STREAMS s 1-2
        XREAD BLOCK 1 STREAMS s $
        XREAD BLOCK x STREAMS s 0
        XREAD BLOCK -1 STREAMS s 0
        XREAD BLOCK 9999999999999999999 STREAMS s 0
        XREAD STREAMS s $
        XREAD STREAMS s >
        XREAD STREAMS s x
        XREAD s 0 0
        XREAD GROUP g c STREAMS s 0
        XREAD NOACK STREAMS s 0
        XREAD COUNT 5 BLOCK 1 s 0
        XREAD BLOCK 0 STREAMS
        XREAD COUNT 1 COUNT 2 STREAMS s 0
        SET k v
        XREAD STREAMS k 0
        XREAD STREAMS k $
        XREAD STREAMS s k 0 0
        "#,
    );
}
