//! Parses the option `--size`.

use bytesize::ByteSize;

/// More than twice API Gateway's limit (10 MB): enough to see a callback rejected for its size.
const MAX_SIZE: ByteSize = ByteSize::mib(24);

/// Parses a length in bytes, with or without a unit. kB and MB are powers of 1000, KiB and MiB are powers of 1024.
pub fn parse(argument: &str) -> Result<usize, String> {
    let size: ByteSize =
        argument.parse().map_err(|_| "give a length in bytes, or with a unit, such as 900kB or 1.5MiB".to_owned())?;
    if size > MAX_SIZE {
        return Err(format!("the maximum is {MAX_SIZE}"));
    }
    usize::try_from(size.as_u64()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_powers_of_1000_and_units_with_an_i_are_powers_of_1024() {
        let sizes = ["123", "900kB", "1.5MB", "300KiB", "2MiB"].map(|size| parse(size).unwrap());
        assert_eq!(sizes, [123, 900_000, 1_500_000, 307_200, 2_097_152]);
    }

    #[test]
    fn invalid_and_too_large_sizes_are_rejected() {
        for size in ["", "kB", "-1kB", "900 apples", "1GB", "99999999999999999999"] {
            assert!(parse(size).is_err(), "{size}");
        }
    }
}
