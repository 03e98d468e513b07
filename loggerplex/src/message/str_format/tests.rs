use super::*;

/// Asserts one filled field; the expected text is what Python printed.
#[track_caller]
fn check(template: &str, value: impl Into<Value>, expect: &str) {
    assert_eq!(fill(template, &[value.into()], &[]), Ok(expect.to_owned()));
}

#[track_caller]
fn refused(template: &str, value: impl Into<Value>, expect: &str) {
    let error = fill(template, &[value.into()], &[("name".into(), Value::None)]).unwrap_err();
    assert_eq!(error.to_string(), expect, "{template}");
}

#[test]
fn a_field_prints_as_in_python() {
    check("{:5}|", "ab", "ab   |");
    check("{:>5}|", "ab", "   ab|");
    check("{:*^7}|", "ab", "**ab***|");
    check("{:é<4}|", "ab", "abéé|");
    check("{:.2}", "abc", "ab");
    check("{:s}", "abc", "abc");
    check("{:!>4}", "a", "!!!a");
    check("{:5}|", 7, "    7|");
    check("{:<5}|", 7, "7    |");
    check("{:04d}", 7, "0007");
    check("{:04d}", -7, "-007");
    check("{:<04d}", 7, "7000");
    check("{:+d}", 7, "+7");
    check("{: d}", 7, " 7");
    check("{:,}", 1234567, "1,234,567");
    check("{:_}", -1234567, "-1_234_567");
    check("{:x}", 255, "ff");
    check("{:X}", 255, "FF");
    check("{:o}", 8, "10");
    check("{:b}", 5, "101");
    check("{:_x}", 16777200, "ff_fff0");
    check("{:d}", true, "1");
    check("{:5}|", true, "    1|");
    check("{:f}", 1, "1.000000");
    check("{:5d}|", -1, "   -1|");
    check("{:=5}|", -1, "-   1|");
    check("{:^6}|", -1, "  -1  |");
    check("{:7.3f}|", 2.5625, "  2.562|");
    check("{:<9.2f}|", 2.5, "2.50     |");
    check("{:08.3f}", -1.23456, "-001.235");
    check("{:e}", 12345.678, "1.234568e+04");
    check("{:.0e}", 12345.678, "1e+04");
    check("{:%}", 0.25, "25.000000%");
    check("{:.1%}", 0.12345, "12.3%");
    check("{:g}", 0.0001, "0.0001");
    check("{:g}", 0.00001, "1e-05");
    check("{:g}", 1234567.0, "1.23457e+06");
    check("{:g}", 100000.0, "100000");
    check("{:g}", 0.0, "0");
    check("{:.3g}", 1234.5, "1.23e+03");
    check("{:.3g}", 2.0, "2");
    check("{:.3}", 1234.5, "1.23e+03");
    check("{:.3}", 2.0, "2.0");
    check("{:.3}", 123.0, "1.23e+02");
    check("{:.3}", 12.0, "12.0");
    check("{:.1}", 2.0, "2e+00");
    check("{:.1}", 0.5, "0.5");
    check("{:.0}", 0.5, "0.5");
    check("{:.4}", 0.00012345678, "0.0001235");
    check("{:.17}", 1e16, "1e+16");
    check("{:.3}", 0.0, "0.0");
    check("{:.1}", 0.0, "0e+00");
    check("{:.2}", 9.96, "1e+01");
    check("{:.2}", 99.6, "1e+02");
    check("{:10}|", 1e20, "     1e+20|");
    check("{:,.2f}", 1234567.891, "1,234,567.89");
    check("{:,}", 1234567.5, "1,234,567.5");
    check("{:,}", 1e20, "1e+20");
    check("{:.2f}", 0.125, "0.12");
    check("{:.2f}", 2.675, "2.67");
    check("{:.0f}", 2.5, "2");
    check("{:f}", -0.0, "-0.000000");
    check("{:>8}|", f64::NAN, "     nan|");
    check("{:+.1f}", f64::INFINITY, "+inf");
    check("{:-.1f}", f64::NEG_INFINITY, "-inf");
    check("{:%}", f64::INFINITY, "inf%");
}

#[test]
fn a_conversion_applies_before_the_format() {
    check("{!r}", "a'b", "\"a'b\"");
    check("{!s:>6}|", None::<i64>, "  None|");
    check("{!r:>6}|", "a", "   'a'|");
    check("{!s:.3}", vec![1, 2], "[1,");
}

#[test]
fn a_field_selects_its_value_by_position_number_or_name() {
    let values = [66.into(), 2.5625.into()];
    let named = [("apple".into(), 2.5.into()), ("banana".into(), "str".into())];
    let show = |template| fill(template, &values, &named).unwrap();
    assert_eq!(
        show("{1:>7.3f} and {0} with {banana} and {apple:.2f}"),
        "  2.562 and 66 with str and 2.50"
    );
    assert_eq!(show("{}-{apple}-{}"), "66-2.5-2.5625");
    assert_eq!(show("{1} {1}"), "2.5625 2.5625");
    assert_eq!(show("{{}} {{{0}}} }}"), "{} {66} }");
    assert_eq!(show("no field"), "no field");
}

#[test]
fn a_bad_field_is_refused_with_the_reason() {
    let brace = "single brace in the template; write a literal brace twice";
    for template in ["{", "}", "a } b", "{0", "{0:{1}}", "{}}"] {
        refused(template, 1, brace);
    }
    refused("{} {}", 1, "no value for field {1}");
    refused("{7}", 1, "no value for field {7}");
    refused("{x}", 1, "no value with the name \"x\"");
    refused("{0.real}", 1, "no value with the name \"0.real\"");
    let mixed = "template mixes automatic fields {} and numbered fields {0}";
    refused("{} {0}", 1, mixed);
    refused("{0} {}", 1, mixed);
    for spec in ["#x", "n", "5.", "dd", "<<<", ".2.3", "010,"] {
        let template = format!("{{:{spec}}}");
        refused(&template, 1, &format!("field format {spec:?} is unknown"));
    }
    refused("{!a}", "x", "field format \"!a\" is unknown");
    for (spec, value) in [
        ("d", Value::from("x")),
        ("d", 1.5.into()),
        ("s", 1.into()),
        (".2", 1.into()),
        (",x", 1.into()),
    ] {
        let why = format!("field format {spec:?} does not fit {value}");
        refused(&format!("{{:{spec}}}"), value, &why);
    }
    refused("{:+}", "x", "field format \"+\" does not fit x");
    refused("{:5}", None::<i64>, "field format \"5\" does not fit None");
}

#[test]
fn widths_are_bounded() {
    assert_eq!(fill("{:1024}", &["x".into()], &[]).unwrap().len(), MAX_WIDTH);
    for digits in ["1025", "99999999999999999999"] {
        let why = format!("field of {digits} characters is too wide: at most 1024 are allowed");
        refused(&format!("{{:{digits}}}"), "x", &why);
        refused(&format!("{{:.{digits}f}}"), 1.5, &why);
    }
}
