#!/usr/bin/env bash
# Packs and unpacks the fuzzer's inputs. Each target has one file, `fuzz/found/TARGET`, with one base64 input per line.
set -euo pipefail
cd "$(dirname "$0")"

unpack() {
  local archive folder line
  for archive in found/*; do
    folder=target/$archive
    rm -rf "$folder"
    mkdir -p "$folder"
    while read -r line; do
      base64 --decode <<< "$line" > "$folder/new"
      mv "$folder/new" "$folder/$(sha1sum < "$folder/new" | cut -d ' ' -f 1)"
    done < "$archive"
  done
}

pack() {
  local file files=()
  for file in corpus/"$1"/*; do
    [[ ! ${file##*/} =~ ^[0-9a-f]{40}$ ]] || files+=("$file")
  done
  [ ${#files[@]} -gt 0 ] || { echo "fuzz/corpus/$1 has no file that is named by its hash" >&2 && exit 1; }
  for file in "${files[@]}"; do
    base64 --wrap 0 "$file"
    echo
  done > "found/$1"
  rm -f "${files[@]}"
}

case ${1-} in
  unpack) unpack ;;
  pack) pack "${2:?name a target}" ;;
  *)
    cat >&2 << 'USAGE'
fuzz/found.sh unpack         Writes the inputs as files to fuzz/target/found/TARGET/, for libFuzzer
fuzz/found.sh pack TARGET    Replaces fuzz/found/TARGET with the hash-named files that libFuzzer wrote to
                             fuzz/corpus/TARGET/, and removes these files
USAGE
    exit 2
    ;;
esac
