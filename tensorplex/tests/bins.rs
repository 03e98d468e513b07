//! Buckets by NumPy's rules against NumPy.

mod common;

use tensorplex::records::{Bins, Histogram, Rule};
use tensorplex::tfevents::messages::{Datum, EventPayload};

fn buckets(histogram: Histogram) -> Vec<[f64; 3]> {
    let Some(EventPayload::Summary(summary)) = common::event_of(histogram, None, None).what else {
        panic!("no summary")
    };
    let Some(Datum::Tensor(tensor)) = &summary.value[0].value else {
        panic!("no tensor")
    };
    let (numbers, _) = tensor.tensor_content.as_chunks();
    let numbers: Vec<f64> = numbers.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    numbers.as_chunks().0.to_vec()
}

fn bins(of: &serde_json::Value) -> Bins {
    match of.as_str() {
        Some("auto") => Bins::Rule(Rule::Auto),
        Some("fd") => Bins::Rule(Rule::Fd),
        Some("doane") => Bins::Rule(Rule::Doane),
        Some("scott") => Bins::Rule(Rule::Scott),
        Some("rice") => Bins::Rule(Rule::Rice),
        Some("sturges") => Bins::Rule(Rule::Sturges),
        Some("sqrt") => Bins::Rule(Rule::Sqrt),
        Some("stone") => Bins::Rule(Rule::Stone),
        Some(other) => panic!("{other}"),
        None => match serde_json::from_value(of.clone()) {
            Ok(count) => Bins::Count(count),
            Err(_) => Bins::Edges(serde_json::from_value(of.clone()).unwrap()),
        },
    }
}

#[test]
fn buckets_are_those_of_numpy() {
    let cases: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/bins.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let floats = |name: &str| -> Vec<f64> { serde_json::from_value(case[name].clone()).unwrap() };
        let (edges, counts) = (floats("edges"), floats("counts"));
        let histogram = Histogram::doubles("h", floats("values"), bins(&case["bins"])).unwrap();
        let got = buckets(if case["is_whole"] == true {
            histogram.whole()
        } else {
            histogram
        });
        assert_eq!(got.len(), counts.len(), "{case}");
        for (n, [left, right, count]) in got.into_iter().enumerate() {
            assert_eq!(count, counts[n], "bucket {n} of {case}");
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(1.0);
            assert!(
                near(left, edges[n]) && near(right, edges[n + 1]),
                "bucket {n} of {case}"
            );
        }
    }
}

#[test]
fn values_that_are_not_finite_are_left_out_and_bad_bins_refused() {
    let values = vec![f32::NAN, 0.0, f32::INFINITY, 1.0];
    let got = buckets(Histogram::new("h", values.clone(), Bins::Count(2)).unwrap());
    assert_eq!(got, [[0.0, 0.5, 1.0], [0.5, 1.0, 1.0]]);
    assert_eq!(
        buckets(Histogram::new("h", vec![], Bins::Rule(Rule::Auto)).unwrap()),
        [[0.0, 1.0, 0.0]]
    );
    let wide = buckets(Histogram::doubles("h", vec![f64::MIN, f64::MAX], Bins::Count(2)).unwrap());
    assert_eq!([wide[0][2], wide[1][2]], [1.0, 1.0]);
    for (bins, message) in [
        (Bins::Count(0), "histogram: 0 buckets; expected 1 to 4096"),
        (Bins::Edges(vec![1.0]), "histogram: 0 buckets; expected 1 to 4096"),
        (
            Bins::Edges(vec![1.0, 0.0]),
            "histogram: an edge at 1 and the next at 0; expected finite and increasing ones",
        ),
    ] {
        assert_eq!(
            Histogram::new("h", values.clone(), bins).unwrap_err().to_string(),
            message
        );
    }
}

#[test]
fn neighbours_are_joined_until_there_are_few_enough() {
    let values: Vec<f32> = (0..10).map(|n| n as f32).collect();
    let most = |most| {
        Histogram::new("h", values.clone(), Bins::Edges((0..11).map(f64::from).collect()))?.at_most(most)
    };
    let counts = |n| {
        buckets(most(n).unwrap())
            .iter()
            .map(|bucket| bucket[2])
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(10), [1.0; 10]);
    assert_eq!(counts(9), [2.0; 5]);
    assert_eq!(counts(3), [4.0, 4.0, 2.0]);
    assert_eq!(buckets(most(1).unwrap()), [[0.0, 10.0, 10.0]]);
    assert_eq!(
        most(0).unwrap_err().to_string(),
        "histogram: at most 0 buckets; expected at least 1"
    );
}
