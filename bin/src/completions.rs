//! `tensorplex completions`: what a shell needs to complete our options.

use std::io;

use clap_complete::Shell as Generated;

use crate::exit::FINE;

/// Print completions for a shell
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tensorplex completions bash > ~/.local/share/bash-completion/completions/tensorplex
  tensorplex completions zsh > ~/.zfunc/_tensorplex
  tensorplex completions fish > ~/.config/fish/completions/tensorplex.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    /// Prints them for `command`.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(&self, mut command: clap::Command) -> io::Result<u8> {
        let shell = match self.shell {
            Shell::Bash => Generated::Bash,
            Shell::Zsh => Generated::Zsh,
            Shell::Fish => Generated::Fish,
        };
        // In memory first: the generator does not report what cannot be written.
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "tensorplex", &mut text);
        io::Write::write_all(&mut io::stdout(), &text)?;
        Ok(FINE)
    }
}
