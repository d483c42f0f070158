# Sourced by the scripts beside it: which packages zkd needs, Debian's and one of npm's, and how to install what is missing.

BUILD_PACKAGES="autoconf automake make gcc libc6-dev pkg-config libev-dev libsodium-dev
	protobuf-c-compiler libprotobuf-c-dev zlib1g-dev nettle-dev libseccomp-dev libjansson-dev
	libedit-dev libmicrohttpd-dev"
TEST_PACKAGES="check gcovr clang libclang-rt-14-dev binutils python3 python3-pytest python3-pytest-xdist python3-kazoo
	zookeeper zookeeper-bin libsnappy-java libzookeeper-mt-dev libcurator-recipes-java mandoc manpages manpages-dev groff git strace zsh jq iproute2
	nftables util-linux mount e2fsprogs procps
	systemd xz-utils bsdextrautils prometheus"
command -v javac >/dev/null || TEST_PACKAGES="$TEST_PACKAGES default-jdk-headless"

# install_packages NAME...: installs those that are not there; as root, or with sudo.
install_packages() {
	missing=
	for package in "$@"; do
		dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif command -v sudo >/dev/null; then
		as_root=sudo
	else
		echo "These packages are missing and this is neither root nor a machine with sudo; install them first:" >&2
		echo " $missing" >&2
		return 1
	fi
	echo "installing:$missing"
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# From the npm registry, by npm: for tests/conformance/test_node_client.py alone. It is plain JavaScript.
NPM_PACKAGES="node-zookeeper-client@1.1.3"

# install_npm_packages FOLDER: into FOLDER/node_modules; node and npm from Debian where there are none.
install_npm_packages() {
	command -v npm >/dev/null || install_packages nodejs npm || return 1
	mkdir -p "$1" && npm install --prefix "$1" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error $NPM_PACKAGES
}
