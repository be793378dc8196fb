//! Made-up people. Most names have characters outside ASCII and some have an emoji, because there the raw and the ASCII
//! encoding differ.

use rand::{Rng, RngExt};
use serde::Serialize;

use super::text::{any, digits};

/// A `Holder`, or an element of `Holders`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Holder {
    name: String,
    address: Address,
    email: String,
    phone_number: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    civic_address: String,
    city: &'static str,
    province: &'static str,
    postal_code: &'static str,
    #[serde(rename = "POBox")]
    po_box: Option<String>,
    country: &'static str,
}

/// A person's name, and its spelling in an email address.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub account: String,
}

impl Person {
    pub fn any(rng: &mut impl Rng) -> Self {
        let ((given, given_ascii), (family, family_ascii)) = (any(&GIVEN, rng), any(&FAMILY, rng));
        let nickname = if rng.random_ratio(1, 4) { format!(" \"{}\"", any(&NICKNAMES, rng)) } else { String::new() };
        Self { name: format!("{given}{nickname} {family}"), account: format!("{given_ascii}.{family_ascii}") }
    }

    /// The person with a postal address, an email address and a telephone number. The email domain is example.com (RFC
    /// 2606), and the telephone numbers 555-0100 to 555-0199 are reserved for fiction.
    pub fn holder(&self, rng: &mut impl Rng) -> Holder {
        let (street, city, province, postal_code, area) = any(&PLACES, rng);
        let number = rng.random_range(1..1000);
        let box_number = rng.random_ratio(1, 8).then(|| rng.random_range(1..100).to_string());
        Holder {
            name: self.name.clone(),
            address: Address {
                civic_address: format!("{number} {street}"),
                city,
                province,
                postal_code,
                po_box: box_number,
                country: "CA",
            },
            email: format!("{}@example.com", self.account),
            phone_number: format!("{area}55501{}", digits(2, rng)),
        }
    }
}

const GIVEN: [(&str, &str); 12] = [
    ("Zoé", "zoe"),
    ("José", "jose"),
    ("Łukasz", "lukasz"),
    ("Søren", "soren"),
    ("Nguyễn", "nguyen"),
    ("Müge", "muge"),
    ("Ólafur", "olafur"),
    ("Іванна", "ivanna"),
    ("美咲", "misaki"),
    ("فاطمة", "fatima"),
    ("Sam", "sam"),
    ("Jane", "jane"),
];

const FAMILY: [(&str, &str); 8] = [
    ("Lefrançois", "lefrancois"),
    ("Échantillon", "echantillon"),
    ("Muñoz-Ejemplo", "munoz-ejemplo"),
    ("Przykładowski", "przykladowski"),
    ("Åkesson", "akesson"),
    ("D'Exemplé", "dexemple"),
    ("Beispiël", "beispiel"),
    ("Örnek", "ornek"),
];

/// The third is outside the basic plane. The last is one visible character of several code points.
const NICKNAMES: [&str; 4] = ["Coco ☕", "Élo 🌻", "🦊", "👩\u{200D}💻"];

/// Street, city, province, a postal code that does not exist, and the telephone's area code.
const PLACES: [(&str, &str, &str, &str, &str); 4] = [
    ("rue de l'Exemple", "Montréal", "QC", "H0H 0H0", "514"),
    ("chemin de l'Échantillon", "Québec", "QC", "G0G 0G0", "418"),
    ("Sample Street", "Toronto", "ON", "M0M 0M0", "416"),
    ("Example Avenue", "Vancouver", "BC", "V0V 0V0", "604"),
];
