//! Code that `#[remote]` generates: dispatch by name over hand-written MessagePack, and the client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use remotecall::{Args, CallContext, CallError, Client, ClientId, Method, Mode, OneWay, Remote};
use remotecall::{RemoteFuture, remote};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default)]
struct Object {
    total: i64,
    name: String,
    last_client: Option<ClientId>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is negative")]
struct Negative(i64);

#[remote]
impl Object {
    const LIMIT: i64 = 1000;

    pub fn new(total: i64) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }

    /// Adds.
    pub fn add(&mut self, delta: i64, #[default("x")] var: &str) -> i64 {
        self.total += delta;
        self.name = var.to_owned();
        self.total
    }

    pub fn reset(&mut self) {
        self.total = 0;
    }

    pub fn root(&self, value: i64) -> Result<f64, Negative> {
        if value < 0 {
            return Err(Negative(value));
        }
        Ok((value as f64).sqrt())
    }

    pub fn parse(&self, text: &str) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    pub fn who(&self, #[ctx] cx: &CallContext<'_>, greeting: &str) -> String {
        format!("{greeting} {} at {}", cx.client_id, cx.time_ns)
    }

    #[remote(read)]
    pub fn peek(&self) -> i64 {
        self.total
    }

    pub fn r#type(&self, r#in: i64) -> i64 {
        r#in
    }

    pub fn count_bytes(&self, bytes: &[u8], more: Option<&[u8]>) -> Vec<u8> {
        [bytes, more.unwrap_or_default()].concat()
    }

    pub fn owned_bytes(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Negative> {
        Ok(bytes)
    }

    pub fn maybe_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        bytes.first().map(|first| vec![*first])
    }

    pub fn sum(
        &self,
        #[default(&[1.0, 2.0])] values: &[f64],
        more: Option<&[f64]>,
        #[default(Self::LIMIT)] plus: i64,
    ) -> f64 {
        values.iter().chain(more.unwrap_or_default()).sum::<f64>() + plus as f64
    }

    pub fn borrow(&self, point: &Point, names: &[&str], path: &Path, other: Option<&Point>) -> String {
        format!("{point:?} {names:?} {path:?} {}", other.is_some())
    }

    pub fn optional(
        &self,
        #[default(Some(7))] a: Option<i64>,
        b: Option<&str>,
    ) -> (Option<i64>, Option<String>) {
        (a, b.map(str::to_owned))
    }

    pub fn twice(&self, mut point: Point) -> Point {
        point.x *= 2.0;
        point
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn clone_of(&self, _other: i64) -> Result<&str, Negative> {
        Ok(&self.name)
    }

    #[deprecated(note = "use add")]
    #[allow(clippy::too_many_arguments)]
    pub fn many(
        &self,
        a: i64,
        b: i64,
        c: i64,
        d: i64,
        e: i64,
        f: i64,
        g: i64,
        h: i64,
        i: i64,
        j: i64,
        k: i64,
        l: i64,
        m: i64,
        n: i64,
        o: i64,
        p: i64,
    ) -> i64 {
        a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p
    }

    #[cfg(any())]
    pub fn switched_off(&self, x: NoSuchType) {}

    #[remote(client_id)]
    fn set_client_id(&mut self, id: &ClientId) {
        self.last_client = Some(id.clone());
    }

    #[remote(skip)]
    pub fn local_only(&self) -> i64 {
        self.private()
    }

    fn private(&self) -> i64 {
        self.total
    }
}

/// Calls a method by name; `named` is the number of named arguments, a map after the array.
fn call_on(object: &mut Object, name: &str, args: &[u8], has_named: bool) -> Result<Vec<u8>, CallError> {
    let client_id = ClientId::new("agent/17").unwrap();
    let cx = CallContext::new(&client_id, 12);
    let unknown = || CallError::UnknownMethod(name.to_owned());
    let index = object.method(name).ok_or_else(unknown)?;
    let args = Args::parse(args, has_named).unwrap();
    let mut result = b"before".to_vec();
    let outcome = object.call(&cx, index, &args, &mut result);
    let result = result.strip_prefix(b"before").unwrap().to_vec();
    assert!(
        outcome.is_ok() || result.is_empty(),
        "an error leaves no bytes behind"
    );
    outcome.map(|()| result)
}

fn call(name: &str, args: &[u8]) -> Result<Vec<u8>, CallError> {
    call_on(&mut Object::new(20), name, args, false)
}

fn call_named(name: &str, args: &[u8]) -> Result<Vec<u8>, CallError> {
    call_on(&mut Object::new(20), name, args, true)
}

#[track_caller]
fn gives<T: PartialEq + std::fmt::Debug + for<'a> Deserialize<'a>>(
    outcome: Result<Vec<u8>, CallError>,
    expect: T,
) {
    let bytes = outcome.unwrap();
    assert_eq!(remotecall::rmp_serde::from_slice::<T>(&bytes).unwrap(), expect);
}

#[track_caller]
fn fails(outcome: Result<Vec<u8>, CallError>, expect: &str) {
    assert_eq!(outcome.unwrap_err().to_string(), expect);
}

/// Encodes a MessagePack string of up to 31 bytes.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xa0 | text.len() as u8];
    bytes.extend(text.bytes());
    bytes
}

fn array(items: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0x90 | items.len() as u8];
    bytes.extend(items.concat());
    bytes
}

#[test]
fn arguments_come_by_position_by_name_or_by_default() {
    let mut object = Object::new(20);
    gives(
        call_on(&mut object, "add", &[0x92, 0x0a, 0xa1, b'y'], false),
        30_i64,
    );
    assert_eq!(object.name, "y");
    gives(call_on(&mut object, "add", &[0x91, 0xff], false), 29_i64);
    assert_eq!(object.name, "x");
    let named = [
        array(&[]),
        vec![0x82],
        text("var"),
        text("z"),
        text("delta"),
        vec![1],
    ]
    .concat();
    gives(call_on(&mut object, "add", &named, true), 30_i64);
    assert_eq!(object.name, "z");
}

#[test]
fn a_default_has_the_type_of_its_argument() {
    gives(call("sum", &[0x90]), 1003.0);
    gives(call("sum", &array(&[&[0x91, 5], &[0x92, 1, 1]])), 1007.0);
    let named = [array(&[&[0x90]]), vec![0x81], text("plus"), vec![4]].concat();
    gives(call_named("sum", &named), 4.0);
}

#[test]
fn an_option_may_be_omitted() {
    gives(call("optional", &[0x90]), (Some(7_i64), None::<String>));
    gives(call("optional", &[0x91, 0xc0]), (None::<i64>, None::<String>));
    gives(
        call("optional", &array(&[&[3], &text("b")])),
        (Some(3_i64), Some("b".to_owned())),
    );
}

#[test]
fn the_context_is_not_an_argument() {
    gives(
        call("who", &array(&[&text("hi")])),
        "hi agent/17 at 12".to_owned(),
    );
}

#[test]
fn borrowed_arguments_are_held_for_the_call() {
    let point = [&[0x92][..], &[1], &[2]].concat();
    let args = array(&[&point, &array(&[&text("a"), &text("b")]), &text("p/q")]);
    gives(
        call("borrow", &args),
        r#"Point { x: 1.0, y: 2.0 } ["a", "b"] "p/q" false"#.to_owned(),
    );
    let args = array(&[&point, &[0x90], &text("p"), &point]);
    gives(
        call("borrow", &args),
        r#"Point { x: 1.0, y: 2.0 } [] "p" true"#.to_owned(),
    );
}

#[test]
fn bytes_are_encoded_as_bytes() {
    assert_eq!(
        call("count_bytes", &[0x91, 0xc4, 2, 1, 255]).unwrap(),
        [0xc4, 2, 1, 255]
    );
    assert_eq!(
        call("count_bytes", &[0x92, 0xc4, 1, 9, 0xc4, 1, 8]).unwrap(),
        [0xc4, 2, 9, 8]
    );
    assert_eq!(call("owned_bytes", &[0x91, 0xc4, 1, 9]).unwrap(), [0xc4, 1, 9]);
    assert_eq!(call("owned_bytes", &[0x91, 0x92, 9, 8]).unwrap(), [0xc4, 2, 9, 8]);
    gives(call("owned_bytes", &[0x91, 0xc4, 1, 9]), vec![9_u8]);
    assert_eq!(call("maybe_bytes", &[0x91, 0xc4, 2, 9, 8]).unwrap(), [0xc4, 1, 9]);
    assert_eq!(call("maybe_bytes", &[0x91, 0xc4, 0]).unwrap(), [0xc0]);
}

#[test]
fn structs_are_encoded_with_the_names_of_their_fields() {
    let args = [&[0x91, 0x82][..], &text("y"), &[2], &text("x"), &[1]].concat();
    let bytes = call("twice", &args).unwrap();
    assert_eq!((bytes[0], &bytes[1..3]), (0x82, &b"\xa1x"[..]));
    gives(Ok(bytes), Point { x: 2.0, y: 2.0 });
}

#[test]
fn unit_is_nil_and_borrowed_text_is_text() {
    assert_eq!(call("reset", &[0x90]).unwrap(), [0xc0]);
    assert_eq!(call("name", &[0x90]).unwrap(), [0xa0]);
    assert_eq!(call("clone_of", &[0x91, 1]).unwrap(), [0xa0]);
}

#[test]
fn a_result_is_decoded_as_its_value_or_as_an_error() {
    gives(call("root", &[0x91, 9]), 3.0);
    fails(call("root", &[0x91, 0xff]), "Negative: -1 is negative");
    gives(call("parse", &array(&[&text("12")])), 12_i64);
    fails(
        call("parse", &array(&[&text("x")])),
        "ParseIntError: invalid digit found in string",
    );
}

#[test]
fn raw_identifiers_have_their_plain_names() {
    gives(call_named("type", &[0x90, 0x81, 0xa2, b'i', b'n', 5]), 5_i64);
}

#[test]
fn sixteen_arguments_are_allowed() {
    let args = [&[0xdc, 0, 16][..], &[1; 16]].concat();
    gives(call("many", &args), 16_i64);
}

#[test]
fn only_public_methods_can_be_called() {
    for name in [
        "new",
        "local_only",
        "private",
        "set_client_id",
        "switched_off",
        "Add",
        "",
        "nope",
    ] {
        assert_eq!(
            call(name, &[0x90]),
            Err(CallError::UnknownMethod(name.to_owned()))
        );
    }
    let id = ClientId::new("a").unwrap();
    let cx = CallContext::new(&id, 0);
    let outcome = Object::new(1).call(&cx, 1000, &Args::default(), &mut Vec::new());
    assert_eq!(outcome, Err(CallError::UnknownMethod("#1000".to_owned())));
}

#[test]
fn an_argument_that_does_not_fit_is_named() {
    fails(call("add", &[0x90]), "argument delta: missing");
    let wrong_type = call("add", &array(&[&text("ten")])).unwrap_err();
    assert!(
        wrong_type.to_string().starts_with("argument delta: "),
        "{wrong_type}"
    );
    fails(
        call("add", &[0x93, 1, 2, 3]),
        "argument #3: 3 positional arguments were given, the method takes 2",
    );
    let named = [array(&[&[1]]), vec![0x81], text("delta"), vec![1]].concat();
    fails(
        call_named("add", &named),
        "argument delta: given by position and by name",
    );
    let named = [array(&[&[1]]), vec![0x81], text("cx"), vec![1]].concat();
    fails(
        call_named("who", &named),
        "argument cx: unknown name; the method takes [\"greeting\"]",
    );
}

#[test]
fn a_bad_call_does_not_reach_the_object() {
    let mut object = Object::new(20);
    call_on(&mut object, "add", &array(&[&[1], &[2]]), false).unwrap_err();
    assert_eq!(object.total, 20);
}

#[test]
fn the_client_id_method_gets_the_client_id() {
    let mut object = Object::new(0);
    object.set_client_id(&ClientId::new("agent/3").unwrap());
    Remote::set_client_id(&mut object, &ClientId::new("agent/4").unwrap());
    assert_eq!(object.last_client.unwrap().as_str(), "agent/4");
    assert_eq!(Object::new(5).local_only(), 5);
}

#[test]
fn the_client_lists_its_methods() {
    let add = Method {
        name: "add",
        args: &["delta", "var"],
    };
    let who = Method {
        name: "who",
        args: &["greeting"],
    };
    let methods = <ObjectClient>::METHODS;
    assert!(methods.contains(&add) && methods.contains(&who), "{methods:?}");
    assert!(methods.iter().all(|method| method.name != "switched_off"));
    let object = Object::new(0);
    assert!(methods.iter().all(|method| object.method(method.name).is_some()));
}

#[test]
fn only_methods_marked_read_are_read_only() {
    let object = Object::new(0);
    let methods = <ObjectClient>::METHODS.iter();
    let reads = methods.filter(|method| {
        object
            .method(method.name)
            .is_some_and(|number| object.is_read(number))
    });
    assert_eq!(reads.map(|method| method.name).collect::<Vec<_>>(), ["peek"]);
}

/// Checks by compiling that the client has the signatures of the methods, in either mode.
#[allow(deprecated)]
fn signatures<M: Mode>(client: &ObjectClient<M>) -> M::Output<i64> {
    let _: M::Output<()> = client.reset();
    let _: M::Output<f64> = client.root(9);
    let _: M::Output<String> = client.who("hi");
    let _: M::Output<String> = client.name();
    let _: M::Output<String> = client.clone_of(1);
    let _: M::Output<Vec<u8>> = client.count_bytes(&[1, 2], Some(&[3]));
    let _: M::Output<Vec<u8>> = client.owned_bytes(vec![1, 2]);
    let _: M::Output<f64> = client.sum(&[1.0], None, 3);
    let _: M::Output<Point> = client.twice(Point { x: 1.0, y: 2.0 });
    let point = Point { x: 1.0, y: 2.0 };
    let _: M::Output<String> = client.borrow(&point, &["a"], &PathBuf::from("p"), Some(&point));
    let _: M::Output<i64> = client.many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    client.r#type(3)
}

#[test]
fn a_client_changes_mode_and_id_without_a_new_connection() {
    let client = Client::connect("localhost:1", "remotecall", "agent/1").unwrap();
    let client = ObjectClient::new(client);
    // No method is called, because without a broker the end of the client would wait for the calls.
    let _: fn(&ObjectClient) -> RemoteFuture<i64> = signatures;
    let _: fn(&ObjectClient<OneWay>) = signatures;
    let quiet: ObjectClient<OneWay> = client.one_way();
    let quiet = quiet.with_client_id("agent/2").unwrap();
    let _: &Client = quiet.returning().client();
    assert!(quiet.clone().with_client_id("../x").is_err());
    assert!(format!("{quiet:?}").starts_with("ObjectClient("));
    assert!(ObjectClient::connect("localhost:1", "q", "a b").is_err());
    let _ = quiet.flush(Duration::ZERO);
}

mod elsewhere {
    //! Struct of another module, client with another name, and `Self` in a signature.
    use super::{Deserialize, Serialize, remote};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub struct Counter(pub u32);

    #[remote(client = CounterProxy)]
    impl self::Counter {
        pub fn plus(&self, other: &Self, more: Option<Self>) -> Self {
            Self(self.0 + other.0 + more.map_or(0, |more| more.0))
        }
    }
}

#[test]
fn a_client_can_have_another_name_and_self_is_the_object() {
    use elsewhere::{Counter, CounterProxy};
    let id = ClientId::new("a").unwrap();
    let cx = CallContext::new(&id, 0);
    let mut result = Vec::new();
    let args = Args::parse(&[0x92, 2, 3], false).unwrap();
    Counter(1).call(&cx, 0, &args, &mut result).unwrap();
    assert_eq!(result, [6]);
    let _plus: fn(&CounterProxy, &Counter, Option<Counter>) -> RemoteFuture<Counter> = CounterProxy::plus;
}
