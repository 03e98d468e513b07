//! Runs and tags: those of the original, and who is refused.

mod common;

use std::collections::BTreeSet;
use std::str::FromStr;

use common::{Disk, at, id};
use remotecall::Durable;
use tensorplex::{Group, Scalars};

/// The calls of `tests/fixtures/capture_original.py`.
fn call_like_the_original(disk: &Disk) {
    let mut plex = disk.plex_with_groups();
    for client in [
        "learner/lr",
        "agent/0",
        "agent/9",
        "individ/3",
        "eval/red",
        "eval/A",
    ] {
        let client = id(client);
        let tags = [".my#section/foo", ":my.section/bar", "cos", "/abs"];
        for (step, tag) in (0..).zip(tags) {
            plex.add_scalar(&at(&client), tag, 0.5, Some(step), None).unwrap();
        }
        let scalars = Scalars::from([("yo", 1.0), (":yo", 2.0), (":yo.yo", 3.0)]);
        plex.add_scalars(&at(&client), &scalars, Some(7), None).unwrap();
    }
    let last = id("eval/A");
    plex.add_text(&at(&last), "note", "hello", Some(3), None).unwrap();
    plex.add_histogram(&at(&last), "h", &[1.0, 2.0, 3.0], Some(4), None)
        .unwrap();
    plex.commit().unwrap();
}

#[test]
fn runs_and_tags_are_those_of_the_original() {
    let disk = Disk::new();
    call_like_the_original(&disk);
    let mut got = BTreeSet::new();
    for (run, tags) in disk.tags() {
        got.extend(tags.into_iter().map(|tag| (run.clone(), tag)));
    }
    let original: Vec<(String, String)> =
        serde_json::from_str(include_str!("../../tests/fixtures/original_runs.json")).unwrap();
    assert_eq!(original.len(), 44);
    assert_eq!(got, original.into_iter().map(mended).collect());
}

/// A defect of the original: the bin `:color` should be a section, `eval.color`, as its documentation says; it
/// came out as a bin called `_color`.
fn mended((run, tag): (String, String)) -> (String, String) {
    match tag
        .strip_suffix("/_color")
        .and_then(|tag| tag.strip_prefix("eval"))
    {
        Some(rest) => (run, format!("eval.color{rest}")),
        None => (run, tag),
    }
}

#[test]
fn without_groups_a_client_is_a_run_and_tags_are_untouched() {
    let disk = Disk::new();
    let mut plex = disk.plex();
    for client in ["a", "a/b/c", "logs2/x"] {
        plex.add_scalar(&at(&id(client)), ":x#y/z (a)", 1.0, None, None)
            .unwrap();
    }
    plex.commit().unwrap();
    let tags = disk.tags();
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["a", "a/b/c", "logs2/x"]);
    assert!(tags.values().all(|tags| tags[..] == [":x#y/z (a)"]));
}

#[test]
fn an_index_is_a_number_however_it_is_written() {
    let disk = Disk::new();
    let mut plex = disk.plex_with_groups();
    for client in ["agent/007", "agent/7", "agent/18446744073709551615"] {
        plex.add_scalar(&at(&id(client)), "x", 1.0, None, None).unwrap();
    }
    plex.commit().unwrap();
    let tags = disk.tags();
    assert_eq!(tags["agent/7"], ["agent/x/0-7", "agent/x/0-7"]);
    let last = "agent/x/18446744073709551608-18446744073709551615";
    assert_eq!(tags["agent/18446744073709551615"], [last]);
}

#[test]
fn what_follows_a_name_is_a_run_below_that_of_the_client() {
    let disk = Disk::new();
    let mut plex = disk.plex_with_groups();
    for client in ["learner/lr/loss_val", "agent/9/hp/1", "eval/red/loss_val"] {
        plex.add_scalar(&at(&id(client)), "x", 1.0, None, None).unwrap();
    }
    plex.commit().unwrap();
    let tags: Vec<_> = disk.tags().into_iter().collect();
    let expected = [
        ("agent/9/hp/1", "agent/x/8-15"),
        ("eval/red/loss_val", "eval.color/x"),
        ("learner/loss_val", "lr/x"),
    ];
    assert_eq!(
        tags,
        expected.map(|(run, tag)| (run.to_owned(), vec![tag.to_owned()]))
    );
}

#[test]
fn no_run_is_called_like_an_event_file() {
    for client in ["agent/9/a.tfevents", "eval/tfevents"] {
        let message = format!("client id {client:?} cannot be used: \"tfevents\" is reserved");
        refused(Disk::new().plex_with_groups(), client, &message);
    }
}

#[track_caller]
fn refused(plex: tensorplex::Tensorplex, client: &str, message: &str) {
    let mut plex = plex;
    let error = plex
        .add_scalar(&at(&id(client)), "x", 1.0, None, None)
        .unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(plex.pending_bytes(), 0);
}

#[test]
fn a_client_without_a_place_is_told_what_there_is() {
    let disk = Disk::new();
    let known = "the groups are agent, eval, individ, learner";
    refused(
        disk.plex_with_groups(),
        "actor/1",
        &format!("unknown group \"actor\"; {known}"),
    );
    let form = "must be a group and a name, such as \"agent/17\"";
    refused(
        disk.plex_with_groups(),
        "learner",
        &format!("client id \"learner\" {form}; {known}"),
    );
    for client in ["agent/x", "agent/18446744073709551616", "agent/-1"] {
        let index = "the group is indexed, so the name must be a number below 2^64";
        refused(
            disk.plex_with_groups(),
            client,
            &format!("client id {client:?}: {index}"),
        );
    }
}

#[test]
fn a_client_whose_bin_cannot_be_named_is_refused_with_the_reason() {
    let disk = Disk::new();
    let odd = |name: &str| match name {
        "red" => Ok(":color".to_owned()),
        _ => Err(format!("no colour is called {name}")),
    };
    let group = || Group::try_combined("eval", Box::new(odd)).unwrap();
    let why = "client id \"eval/A\" has no bin in its combined group: no colour is called A";
    refused(disk.plex().group(group()).unwrap(), "eval/A", why);
    let mut plex = disk.plex().group(group()).unwrap();
    plex.add_scalar(&at(&id("eval/red")), "x", 1.0, None, None)
        .unwrap();
    plex.commit().unwrap();
    assert_eq!(disk.tags()["eval/red"], ["eval.color/x"]);
}

#[test]
fn without_groups_names_of_other_things_are_refused() {
    let disk = Disk::new();
    for (client, word) in [("logs", "logs"), ("logs/a", "logs"), ("a/b.tfevents", "tfevents")] {
        let message = format!("client id {client:?} cannot be used: {word:?} is reserved");
        refused(disk.plex(), client, &message);
    }
}

#[track_caller]
fn parses(text: &str, expect: &str) {
    let got = match Group::from_str(text) {
        Ok(group) => format!("{group:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expect);
}

#[test]
fn groups_are_written_like_learner_and_agent_8() {
    parses("learner", "Group(\"learner\", Normal)");
    parses("agent:8", "Group(\"agent\", Indexed(8))");
    let size = "what follows ':' must be the number of clients per chart, at least 1";
    for text in ["agent:0", "agent:", "agent:x", "agent:8:1", "agent:4294967296"] {
        parses(text, &format!("group {text:?}: {size}"));
    }
    parses("logs", "group name \"logs\" is reserved");
    parses(
        "a/b",
        "group name \"a/b\" contains '/': a group is the first part of a client id",
    );
    parses(
        "..",
        "group name: client id \"..\" has a part that starts with a dot",
    );
}

#[test]
fn a_group_is_registered_once() {
    let disk = Disk::new();
    let plex = disk.plex().normal_group("a").unwrap();
    let error = plex.group(Group::from_str("a:8").unwrap()).err().unwrap();
    assert_eq!(error.to_string(), "group \"a\" is registered twice");
}
