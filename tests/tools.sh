# shellcheck shell=bash
# For the scripts beside it: the tools that they need, each in a fixed version below the target directory, and the local
# runner. To be sourced from the project's root.

target=${CARGO_TARGET_DIR:-$PWD/target}
tools=$target/tools

# locked_install PYTHON REQUIREMENTS [OPTION…]: installs what a locked file names and nothing else, each package by its
# hash. Wheels alone: no code of a package runs while it is installed.
locked_install() {
  "$1" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
    --require-hashes --only-binary :all: --no-deps --requirement "$2" "${@:3}"
}

# locked_home NAME REQUIREMENTS: prints the folder for what a locked file names, one for each version of that file.
locked_home() { printf '%s/%s-%s' "$tools" "$1" "$(cksum < "$2" | cut -d ' ' -f 1)"; }

# cargo_tools: puts the subcommands of Cargo that tests/tools names on the path.
cargo_tools() {
  local requirements=tests/tools/requirements.txt home
  home=$(locked_home cargo "$requirements")
  if [ ! -e "$home/complete" ]; then
    locked_install python3 "$requirements" --upgrade --target "$home"
    touch "$home/complete"
  fi
  export PATH="$home/bin:$PATH"
}

# python_environment FOLDER: makes the environment that the folder's requirements.txt asks for, and says in
# $python_environment where it is.
python_environment() {
  local requirements=$1/requirements.txt
  python_environment=$(locked_home "${1##*/}" "$requirements")
  [ ! -e "$python_environment/complete" ] || return 0
  python3 -m venv --clear "$python_environment"
  locked_install "$python_environment/bin/python" "$requirements"
  # The locked file named everything that its packages need.
  "$python_environment/bin/python" -m pip check --disable-pip-version-check
  touch "$python_environment/complete"
}

# Builds the local runner as its user does, with the features that it asks for itself and none that tests add, and says
# in $RUNNER where it is, also to programs.
build_local_runner() {
  cargo build --quiet --locked -p local
  export RUNNER=$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}debug/local
}

# start_local_runner LOG [FLAG…]: returns once it is ready, or fails with its log.
start_local_runner() {
  local log=$1
  shift
  build_local_runner
  "$RUNNER" "$@" > "$log" 2>&1 &
  local_runner=$!
  for _ in {1..150}; do
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
