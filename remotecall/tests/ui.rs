//! Error messages for misuse of `#[remote]`.
//!
//! `tests/ui/NAME.rs` must not compile, and the compiler's messages must be those in `NAME.stderr`.
//! The test runs the compiler directly with the library that cargo has built, because a package per
//! case would build all dependencies again.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn misuse_gets_a_message_at_its_place() {
    let library = library();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut count = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        if case.extension().is_some_and(|extension| extension == "rs") {
            let said = compile(&case, &library);
            let expected = std::fs::read_to_string(case.with_extension("stderr")).unwrap_or_default();
            if said.trim() != expected.trim() {
                wrong.push(format!("{}:\n{said}", case.display()));
            }
            count += 1;
        }
    }
    assert!(count > 0);
    assert!(wrong.is_empty(), "unexpected messages:\n\n{}", wrong.join("\n"));
}

/// Compiles a case that must fail, and returns the messages of the compiler without its summary.
fn compile(case: &Path, library: &Path) -> String {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "--edition=2024",
            "--emit=metadata",
            "--color=never",
            "--diagnostic-width=140",
        ])
        .arg("--out-dir")
        .arg(out.path())
        .arg(format!("--extern=remotecall={}", library.display()))
        .arg(format!(
            "-Ldependency={}",
            library.parent().unwrap().join("deps").display()
        ))
        .arg(case.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{} compiles", case.display());
    let said = String::from_utf8(output.stderr).unwrap();
    let is_summary =
        |line: &&str| line.starts_with("error: aborting due to") || line.starts_with("For more information");
    let lines: Vec<&str> = said.lines().filter(|line| !is_summary(line)).collect();
    lines.join("\n").trim().to_owned() + "\n"
}

/// Path of the library that the workspace builds.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let profile = deps.ancestors().nth(2).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--exclude",
            "remotecall-macros",
            "--lib",
            "--bins",
            "--examples",
            "--message-format=json",
            "--target-dir",
        ])
        .arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        build.arg("--release");
    }
    // Variables that `cargo test` sets for this package would rebuild ring and its dependents,
    // because the build script of ring reads them.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            build.env_remove(name);
        }
    }
    let output = build.output().unwrap();
    assert!(output.status.success(), "the library does not build");
    let artifact = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_library = message["target"]["name"] == "remotecall" && message["target"]["kind"][0] == "lib";
        let file = message["filenames"].as_array()?.first()?.as_str()?;
        is_library.then(|| PathBuf::from(file))
    };
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .find_map(artifact)
        .expect("the library of this package")
}
