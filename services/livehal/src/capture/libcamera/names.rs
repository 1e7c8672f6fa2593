//! Names of controls and of their menus' entries, as a configuration writes them.

/// `ExposureTime` as `exposure_time`.
pub(super) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// The entries of a menu without the words that all of them begin with: `AfModeManual`,
/// `AfModeAuto` as `manual`, `auto`. Each keeps a word at least.
pub(super) fn entries(names: &[String]) -> Vec<String> {
    let split: Vec<Vec<String>> = names.iter().map(|name| words(name)).collect();
    let shared = shared_words(&split);
    split
        .iter()
        .map(|words| words[shared..].join("_"))
        .collect()
}

/// How many first words all have; less than any has.
fn shared_words(all: &[Vec<String>]) -> usize {
    let Some(first) = all.first() else { return 0 };
    // A menu of one entry has nothing to tell its prefix by.
    if all.len() < 2 {
        return 0;
    }
    let most = all.iter().map(|words| words.len().saturating_sub(1)).min();
    (0..most.unwrap_or(0))
        .take_while(|&i| all.iter().all(|words| words.get(i) == first.get(i)))
        .count()
}

/// The words of a name in capitals and small letters, in small letters; a run of capitals is one
/// word, digits belong to the word before.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| letters.get(i));
        let begins = letter.is_uppercase()
            && (before.is_none_or(|c| !c.is_uppercase())
                || letters.get(i + 1).is_some_and(|c| c.is_lowercase()));
        match words.last_mut() {
            Some(word) if !begins => word.extend(letter.to_lowercase()),
            _ => words.push(letter.to_lowercase().collect()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_named_in_lower_case_with_underscores() {
        for (name, told) in [
            ("ExposureTime", "exposure_time"),
            ("AeEnable", "ae_enable"),
            ("ColourGains", "colour_gains"),
            ("HdrMode", "hdr_mode"),
            ("Brightness", "brightness"),
            ("AeFlickerPeriod", "ae_flicker_period"),
            ("FocusFoM", "focus_fo_m"),
            ("PispStatsOutput", "pisp_stats_output"),
            ("", ""),
        ] {
            assert_eq!(snake(name), told);
        }
    }

    #[test]
    fn entries_lose_what_all_begin_with() {
        let of = |names: &[&str]| entries(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(
            of(&["AfModeManual", "AfModeAuto", "AfModeContinuous"]),
            ["manual", "auto", "continuous"]
        );
        assert_eq!(
            of(&["MeteringCentreWeighted", "MeteringSpot"]),
            ["centre_weighted", "spot"]
        );
        assert_eq!(of(&["AwbAuto", "AwbTL84"]), ["auto", "tl84"]);
        // One is the beginning of the other, or there is only one.
        assert_eq!(of(&["HdrMode", "HdrModeOff"]), ["mode", "mode_off"]);
        assert_eq!(of(&["NoiseOff"]), ["noise_off"]);
        assert_eq!(of(&[]), [""; 0]);
    }
}
