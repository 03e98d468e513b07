//! `tensorplex completions`: completion scripts for shells.

use std::io;

use clap_complete::Shell as Generator;

use crate::exit::SUCCESS;

/// Print a completion script for a shell
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tensorplex completions bash >> ~/.bash_completion
  tensorplex completions zsh > ~/.zfunc/_tensorplex
  tensorplex completions fish > ~/.config/fish/completions/tensorplex.fish")]
pub struct Completions {
    /// Shell to complete for
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    /// Prints the completion script of `command`.
    ///
    /// # Errors
    /// Fails when the output cannot be written.
    pub fn run(&self, mut command: clap::Command) -> io::Result<u8> {
        let shell = match self.shell {
            Shell::Bash => Generator::Bash,
            Shell::Zsh => Generator::Zsh,
            Shell::Fish => Generator::Fish,
        };
        // Generated in memory, because the generator panics when it cannot write.
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "tensorplex", &mut text);
        io::Write::write_all(&mut io::stdout(), &text)?;
        Ok(SUCCESS)
    }
}
