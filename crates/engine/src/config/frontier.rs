//! `--frontier`: the database of a crawl's frontier, with what proves that it may be used.

use std::path::PathBuf;

use clap::Args;
use model::Secret;

use super::values::secret_file;
use crate::frontier::{Access, Address};

/// The variable with the password of the database's user.
const PASSWORD: &str = "GOSSAMER_FRONTIER_PASSWORD";

/// The flags, as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct FrontierArgs {
    /// A PostgreSQL database for what is known and queued, so that the crawl outlives this machine: postgres://USER@HOST:PORT/DATABASE. The same command on another machine joins the crawl and shares its hosts; see docs/scaling.md [default: in the state directory]
    #[arg(long, value_name = "URL", env = "GOSSAMER_FRONTIER", hide_env = true, help_heading = "Processes")]
    pub frontier: Option<String>,
    /// File with the password of the database's user; or GOSSAMER_FRONTIER_PASSWORD in the environment
    #[arg(long, value_name = "FILE", env = "GOSSAMER_FRONTIER_PASSWORD_FILE", hide_env = true, help_heading = "Processes")]
    pub frontier_password_file: Option<String>,
    /// PEM file with the certificate of the authority that vouches for the database, beside those known to everybody
    #[arg(long, value_name = "FILE", env = "GOSSAMER_FRONTIER_CA", hide_env = true, help_heading = "Processes")]
    pub frontier_ca: Option<PathBuf>,
}

impl FrontierArgs {
    /// The database that is named, if one is.
    ///
    /// # Errors
    /// What is wrong with its name. A password in it is not told.
    pub fn address(&self) -> Result<Option<Address>, String> {
        self.frontier.as_deref().map(|text| Address::parse(text).map_err(|error| format!("--frontier: {error}"))).transpose()
    }

    /// What the database may ask for. `environment` has variables by name.
    ///
    /// # Errors
    /// When a file cannot be read. The password is not told.
    pub fn access(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Access, String> {
        let password = match &self.frontier_password_file {
            Some(file) => Some(secret_file(file).map_err(|why| format!("--frontier-password-file {file}: {why}"))?),
            None => environment(PASSWORD),
        };
        Ok(Access { password: password.map(Secret::new), authority: self.frontier_ca.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_comes_from_a_file_or_the_environment_and_is_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "of the file\n").unwrap();
        let environment = |name: &str| (name == PASSWORD).then(|| "of the environment".to_owned());
        let password = |args: &FrontierArgs| args.access(&environment).unwrap().password.unwrap().reveal().to_owned();
        let args = FrontierArgs { frontier: Some("postgres://me@h/c".to_owned()), ..FrontierArgs::default() };
        assert_eq!(password(&args), "of the environment");
        let with_file = FrontierArgs { frontier_password_file: Some(file.display().to_string()), ..args };
        assert_eq!(password(&with_file), "of the file");
        let wrong = FrontierArgs { frontier: Some("postgres://me:hidden@h/c".to_owned()), ..FrontierArgs::default() };
        let mistake = wrong.address().unwrap_err();
        assert!(mistake.starts_with("--frontier: there is a password in it") && !mistake.contains("hidden"), "{mistake}");
    }
}
