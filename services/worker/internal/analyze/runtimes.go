package analyze

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/extractor"

	"github.com/plimsoll/plimsoll"
)

// A native run-time or server that was copied into an image (COPY --from, make install) stands in no package database. It is known
// by its file's name and by the version that its own bytes tell, as the program itself would print it. Assembly drops those that
// an OS package owns: they are judged by their distribution.

// NameRuntime is the extractor of native run-times.
const NameRuntime = "runtime"

// bitnami is OSV's ecosystem whose records name servers and run-times as such (pkg:bitnami/node), whoever built them.
const bitnami = "Bitnami"

// runtimeRule is a row of the table.
type runtimeRule struct {
	name      string         // of the package in its ecosystem
	files     *regexp.Regexp // base names of files that hold it
	literal   string         // stands where the version is; empty: version is looked for everywhere
	back      int            // bytes before the literal where version begins
	version   *regexp.Regexp // first group: the version; second, if any: a pre-release
	ecosystem string         // OSV's; one that OSV does not have says that nothing is known of the package
}

// runtimes is the table. Each row says which string of the program's own it reads; all were looked up in the named Debian packages.
var runtimes = []runtimeRule{
	// The URL of its headers (process.release): libnode108 18.20.4 and nodejs.org's own build.
	{"node", named(`node|nodejs|libnode\.so(\.\d+)*`), "/release/v", 0, regexp.MustCompile(`^/release/v(\d+\.\d+\.\d+)/node-v`), bitnami},
	// PY_VERSION, alone between two NULs; the file's name tells which one it is: python3.11-minimal, libpython3.11.
	{"python", named(`(lib)?python\d\.\d+[a-z]?(\.so[.\d]*)?`), "\x00", 0, regexp.MustCompile(`^\x00(\d\.\d+\.\d+)((?:a|b|rc)\d+)?\+?\x00`), bitnami},
	// NGINX_VER, as the header Server says it: nginx 1.22.1.
	{"nginx", named(`nginx`), "nginx/", 0, regexp.MustCompile(`^nginx/(\d+\.\d+\.\d+)`), bitnami},
	// The same of OpenResty, which has its own name there (openresty.org, "configure").
	{"openresty", named(`nginx|openresty`), "openresty/", 0, regexp.MustCompile(`^openresty/(\d+\.\d+\.\d+\.\d+)`), bitnami},
	// The build id (release.c): version, host and time of the build, count of changes, commit: redis-tools 7.0.15.
	{"redis", named(`redis-(server|sentinel|check-rdb|check-aof)`), "", 0, regexp.MustCompile(`[^0-9.](\d{1,2}\.\d{1,2}\.\d{1,3})()(?:[0-9A-Za-z._-]{0,64}-)?1\d{9}\d{1,6}[0-9a-f]{8}\x00`), bitnami},
	// OPENSSL_VERSION_TEXT: libssl3 3.0.22, openssl. OSV has no record of OpenSSL itself, so its ecosystem is its own: known of is nothing.
	{"openssl", named(`openssl|libcrypto[-.\w]*\.so[.\d]*`), "OpenSSL ", 0, regexp.MustCompile(`^OpenSSL (\d+\.\d+\.\d+[a-z]{0,2})()(?:-[a-z0-9]+)? +\d{1,2} [A-Z][a-z]{2} 20\d\d`), "OpenSSL"},
	// The header X-Powered-By: php8.2-cli 8.2.36, libapache2-mod-php8.2.
	{"php", named(`php|php\d[.\d]*|php-(fpm|cgi)[.\d]*|libphp[.\d]*\.so`), "PHP/", 0, regexp.MustCompile(`^PHP/(\d+\.\d+\.\d+)`), bitnami},
	// ruby_description: libruby3.1 3.1.2 ("ruby 3.1.2p20 (2022-04-12 revision 4491bb740a)").
	{"ruby", named(`ruby|ruby\d[.\d]*|libruby[-.\d]*\.so[.\d]*`), "ruby ", 0, regexp.MustCompile(`^ruby (\d+\.\d+\.\d+)()(?:p\d+)? \(20\d\d-`), bitnami},
	// Abstract_VM_Version's build line: openjdk-17-jre-headless ("for linux-amd64 JRE (17.0.21.1+2-…"); in Java 8 "JRE (1.8.0_392-b08)".
	{"java", named(`libjvm\.so`), " JRE (", 0, regexp.MustCompile(`^ JRE \((\d+[.\d_]*)`), bitnami},
	// PG_BACKEND_VERSIONSTR: postgresql-15 15.20.
	{"postgresql", named(`postgres`), "postgres (PostgreSQL) ", 0, regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+\.\d+(?:\.\d+)?)`), bitnami},
	// AP_SERVER_BASEVERSION: apache2-bin 2.4.71.
	{"apache", named(`httpd|apache2`), "Apache/", 0, regexp.MustCompile(`^Apache/(\d+\.\d+\.\d+)`), bitnami},
	// The server version: mariadb-server-core 10.11.19 ("10.11.19-MariaDB").
	{"mariadb", named(`mariadbd|mysqld`), "-MariaDB", 16, regexp.MustCompile(`(\d+\.\d+\.\d+)()-MariaDB`), bitnami},
	// What -h prints: memcached 1.6.18.
	{"memcached", named(`memcached`), "memcached ", 0, regexp.MustCompile(`^memcached (\d+\.\d+\.\d+)`), bitnami},
	// What -v prints: haproxy 2.6.12 (" version 2.6.12-1+deb12u4, released 2026/10/17").
	{"haproxy", named(`haproxy`), " version ", 0, regexp.MustCompile(`^ version (\d+\.\d+\.\d+)()[-+.\w]*, released 20`), bitnami},
	// What -V prints: varnish 7.1.1 ("varnish-7.1.1 revision 7cee…").
	{"varnish", named(`varnishd`), "varnish-", 0, regexp.MustCompile(`^varnish-(\d+\.\d+\.\d+) revision`), bitnami},
	// What it prints first: BusyBox's own images, in which all its names are hard links, the first of them "[". Like OpenSSL it is in no
	// records of OSV.
	{"busybox", named(`busybox|\[`), "BusyBox v", 0, regexp.MustCompile(`^BusyBox v(\d+\.\d+\.\d+)`), "BusyBox"},
	// GIT_USER_AGENT: git 2.39.5.
	{"git", named(`git`), "git/", 0, regexp.MustCompile(`^git/(\d+\.\d+\.\d+)`), bitnami},
	// LUA_COPYRIGHT: lua5.4, liblua5.4-0 5.4.4.
	{"lua", named(`lua|lua\d\.\d|liblua[.\d]*\.so[.\d]*`), "Lua ", 0, regexp.MustCompile(`^Lua (\d+\.\d+\.\d+) +Copyright`), bitnami},
}

func named(expression string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + expression + `)$`) }

// isRuntime tells files that may be a run-time, by their names alone.
func isRuntime(f *file) bool { return len(rulesOf(f.path)) > 0 }

func rulesOf(p string) (all []*runtimeRule) {
	base := path.Base(p)
	if !mayRun(base) {
		return nil
	}
	for i := range runtimes {
		if runtimes[i].files.MatchString(base) {
			all = append(all, &runtimes[i])
		}
	}
	return all
}

// mayRun tells names that begin as one of the table does: nearly no file gets as far as the expressions.
func mayRun(base string) bool {
	for _, start := range [...]string{
		"node", "libnode", "python", "libpython", "nginx", "openresty", "redis-", "openssl", "libcrypto", "php", "libphp", "ruby", "libruby", "libjvm",
		"postgres", "httpd", "apache2", "mariadbd", "mysqld", "memcached", "haproxy", "varnishd", "busybox", "[", "git", "lua", "liblua",
	} {
		if strings.HasPrefix(base, start) {
			return true
		}
	}
	return false
}

// runtimeSearch looks for the versions of run-times in a file as it passes. The first one counts.
type runtimeSearch struct {
	rules []*runtimeRule // still looked for
	file  string
	found []plimsoll.Package
}

func newRuntimeSearch(p string) runtimeSearch { return runtimeSearch{rules: rulesOf(p), file: p} }

// span is how far behind its literal a version ends at the latest; it is within carry.
const span = 256

// look searches a window of the file for what begins before end.
func (s *runtimeSearch) look(window []byte, end int) {
	left := s.rules[:0]
	for _, r := range s.rules {
		if version := r.find(window, end, s.file); version != "" {
			s.found = append(s.found, r.pkg(version))
		} else {
			left = append(left, r)
		}
	}
	s.rules = left
}

// find gives the first version that begins before end.
func (r *runtimeRule) find(window []byte, end int, file string) string {
	if r.literal == "" {
		if m := r.version.FindSubmatchIndex(window); m != nil && m[0] < end {
			return string(window[m[2]:m[3]])
		}
		return ""
	}
	literal := []byte(r.start(file))
	for at := 0; at < end; at++ {
		i := bytes.Index(window[at:min(end+len(literal), len(window))], literal)
		if i < 0 {
			return ""
		}
		if at += i; at >= end {
			return ""
		}
		near := window[max(0, at-r.back):min(at+span, len(window))]
		if m := r.version.FindSubmatch(near); m != nil {
			return versionOf(m)
		}
	}
	return ""
}

// start is the literal; Python's own version begins with the one in the file's name.
func (r *runtimeRule) start(file string) string {
	if r.name != "python" {
		return r.literal
	}
	return r.literal + pythonMinor.FindString(path.Base(file)) + "."
}

var pythonMinor = regexp.MustCompile(`\d\.\d+`)

// versionOf writes a pre-release as semantic versions do.
func versionOf(m [][]byte) string {
	if len(m) > 2 && len(m[2]) > 0 {
		return string(m[1]) + "-" + string(m[2])
	}
	return string(m[1])
}

// pkg is the package that a version stands for.
func (r *runtimeRule) pkg(version string) plimsoll.Package {
	if r.ecosystem == bitnami {
		version = r.semantic(version)
	}
	family := "bitnami"
	if r.ecosystem != bitnami {
		family = "generic"
	}
	p := extractor.Package{Name: r.name, Version: version, PURLType: family}
	return plimsoll.Package{Name: r.name, Version: version, Ecosystem: r.ecosystem, PURL: p.PURL().String(), Extractor: NameRuntime}
}

// semantic writes a version with three numbers, as Bitnami's records do: PostgreSQL 15.20 is 15.20.0, Java 1.8.0_392 is 8.0.392 and
// 17.0.21.1 is 17.0.21-1.
func (r *runtimeRule) semantic(version string) string {
	if r.name == "java" {
		version = strings.TrimPrefix(strings.ReplaceAll(version, "_", "."), "1.")
		if parts := strings.SplitN(version, ".", 4); len(parts) == 4 {
			if parts[0] == "8" {
				return parts[0] + ".0." + parts[2]
			}
			return strings.Join(parts[:3], ".") + "-" + parts[3]
		}
	}
	for strings.Count(version, ".") < 2 {
		version += ".0"
	}
	return version
}
