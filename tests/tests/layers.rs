//! Layers: crates depend downwards only, and the event-file codec knows bytes only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tensorplex_tests::BoundedOutput;

/// Crates of the workspace, each with those that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("remotecall-macros", &[]),
    ("remotecall-wire", &[]),
    ("remotecall-connection", &["remotecall-wire"]),
    ("remotecall-store", &["remotecall-wire"]),
    ("remotecall-broker", &[]),
    (
        "remotecall",
        &[
            "remotecall-broker",
            "remotecall-connection",
            "remotecall-macros",
            "remotecall-store",
            "remotecall-wire",
        ],
    ),
    ("tensorplex", &["remotecall"]),
    ("loggerplex", &["remotecall"]),
    ("tensorplex-bin", &["remotecall", "tensorplex", "loggerplex"]),
    ("tensorplex-examples", &["remotecall", "tensorplex", "loggerplex"]),
    ("tensorplex-tests", &["remotecall", "tensorplex", "loggerplex"]),
    ("tensorplex-python", &["remotecall", "tensorplex", "loggerplex"]),
    (
        "tensorplex-benches",
        &["remotecall", "tensorplex", "tensorplex-tests"],
    ),
];

/// Names that `tensorplex::tfevents` must not use.
const NOT_BYTES: &[&str] = &[
    "remotecall",
    "std::thread",
    "std::time",
    "std::net",
    "std::sync",
    "redis",
];

/// Calls that change files. Only `remotecall_store::disk` may use them, where a test can make them fail.
const CHANGES_FILES: &[&str] = &[
    "fs::write",
    "fs::rename",
    "fs::remove",
    "fs::create_dir",
    "fs::copy",
    "File::create",
    "OpenOptions",
    "FileExt::write",
    ".set_len(",
    ".sync_all(",
    ".sync_data(",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn crates_depend_downwards_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output_in_time();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, known, "a crate is new or gone: say here what it may use");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ALLOWED.iter().find(|(known, _)| *known == name).unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            let fine = !ours.contains(dependency) || allowed.contains(&dependency);
            assert!(fine, "{name} uses {dependency}: that arrow points up or sideways");
        }
    }
}

#[test]
fn the_server_changes_files_in_one_place() {
    let mut files = 0;
    for folder in ["store/src/journal", "store/src/files", "src/server"] {
        for entry in std::fs::read_dir(root().join("remotecall").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() || path.ends_with("tests.rs") {
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.split("#[cfg(test)]").next().unwrap().lines() {
                let found = CHANGES_FILES.iter().find(|word| line.contains(*word));
                assert_eq!(found, None, "{}: {line}", path.display());
            }
        }
    }
    assert!(files > 10, "the folders moved");
}

#[test]
fn the_codec_knows_bytes_only() {
    let mut files = 0;
    for entry in std::fs::read_dir(root().join("tensorplex/src/tfevents")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let found = NOT_BYTES.iter().find(|word| line.contains(*word));
                assert_eq!(found, None, "{}: {line}", path.display());
            }
        }
    }
    assert!(files >= 3, "the codec has moved: only {files} files found");
}

/// Files that may contain unsafe code; each states the measured cost of the safe version.
const UNSAFE: &[&str] = &[
    "python/src/numpy_view.rs",
    "remotecall/store/src/fork.rs",
    "tensorplex/src/tfevents/counting.rs",
];

#[test]
fn unsafe_code_states_its_measured_need() {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // Split in two, so that the search does not find this file.
                if text.contains(concat!("allow(unsafe", "_code)")) {
                    found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
    found.sort();
    assert_eq!(found, UNSAFE);
}
