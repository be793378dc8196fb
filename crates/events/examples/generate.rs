//! Writes the schemas, and what is generated from them, into this package.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for (path, text) in flinks_events::schemas::files() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text)?;
    }
    Ok(())
}
