# Functions that unpack and pack the inputs of a fuzz target. The suite `fuzz` reads this file.
#
# The named inputs of a target lie in fuzz/seeds/TARGET and fuzz/regressions/TARGET, and all others in one archive,
# fuzz/corpus/TARGET.tar.gz. The fuzzers work in the untracked folder fuzz/corpus/TARGET, which holds all of them.

# Prints the folders with named inputs of a target.
named_folders() {
    local folder
    for folder in "fuzz/seeds/$1" "fuzz/regressions/$1"; do
        [ ! -d "$folder" ] || echo "$folder"
    done
}

# Copies the named inputs of a target into a folder.
copy_named() {
    local folder
    for folder in $(named_folders "$1"); do
        cp "$folder"/* "$2"
    done
}

# Adds the named inputs and those of the archive to the working folder. Inputs that were found since stay there.
unpack() {
    mkdir -p "fuzz/corpus/$1"
    tar --extract --gzip --file "fuzz/corpus/$1.tar.gz" --directory "fuzz/corpus/$1"
    copy_named "$1" "fuzz/corpus/$1"
}

# Writes the archive of a target from its working folder, without the named inputs. Equal inputs give equal archives.
pack() {
    local archive=fuzz/corpus/$1.tar.gz list=fuzz/target/unnamed-$1
    mkdir -p fuzz/target
    unnamed_inputs "$1" >"$list"
    tar --create --directory "fuzz/corpus/$1" --no-recursion --verbatim-files-from --files-from "$PWD/$list" \
        --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 |
        gzip --best --no-name >"$archive.new"
    mv "$archive.new" "$archive"
    echo "$1: $(wc -l <"$list") inputs in $(wc -c <"$archive") bytes"
}

# Prints the sorted names of the files in the working folder that do not have the content of a named input.
unnamed_inputs() {
    local folders
    readarray -t folders < <(named_folders "$1")
    {
        find "${folders[@]}" -type f -exec sha256sum {} +
        echo
        find "fuzz/corpus/$1" -type f -exec sha256sum {} +
    } | awk '!NF { is_corpus = 1; next } !is_corpus { named[$1] = 1; next } !($1 in named) { sub(/.*\//, ""); print }' |
        LC_ALL=C sort
}

# Removes from the working folder the inputs that reach no code beyond that of the named inputs and of each other.
# Arguments: the target, and its program.
minimise() {
    local smallest=fuzz/target/minimised/$1
    rm -rf "$smallest"
    mkdir -p "$smallest"
    copy_named "$1" "$smallest"
    "$2" -set_cover_merge=1 -use_counters=0 "$smallest" "fuzz/corpus/$1"
    rm -rf "fuzz/corpus/$1"
    mv "$smallest" "fuzz/corpus/$1"
}
