package analyze

import (
	"bufio"
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// releaseFiles are the files that name a distribution, the better ones first. os-release(5) tells the first two; the others
// are what older images have instead.
var releaseFiles = []string{
	"etc/os-release", "usr/lib/os-release",
	"etc/alpine-release", "etc/debian_version", "etc/redhat-release", "etc/system-release",
}

// ReleaseFiles is the order in which assembly asks them.
func ReleaseFiles() []string { return slices.Clone(releaseFiles) }

func isRelease(p string) bool { return slices.Contains(releaseFiles, p) }

// release keeps what one such file says. A file that says nothing is kept too, as an empty value: it hides the lower layers'.
func (p *packages) release(f *file) {
	p.facts.Releases = append(p.facts.Releases, plimsoll.ReleaseFile{Path: f.path, Entry: f.entry, Release: parseRelease(f.path, f.data)})
}

func parseRelease(name string, b []byte) plimsoll.OSRelease {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	switch path.Base(name) {
	case "os-release":
		return parseOSRelease(b)
	case "alpine-release":
		return plimsoll.OSRelease{ID: "alpine", VersionID: short(line)}
	case "debian_version":
		return debianVersion(line)
	default:
		return redHatRelease(line)
	}
}

// parseOSRelease reads os-release(5): shell assignments, of which the last counts. Lines that are none are passed over, as
// every reader of the format does.
func parseOSRelease(b []byte) (r plimsoll.OSRelease) {
	fields := map[string]*string{
		"ID": &r.ID, "ID_LIKE": &r.IDLike, "VERSION_ID": &r.VersionID, "VERSION_CODENAME": &r.VersionCodename,
		"PRETTY_NAME": &r.PrettyName, "CPE_NAME": &r.CPE,
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, maxRelease+1)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if to := fields[key]; ok && to != nil {
			*to = short(unquote(value))
		}
	}
	return r
}

// unquote takes the quotes off a shell value and resolves the escapes that os-release(5) allows within them.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote, s := s[0], s[1:len(s)-1]
	if quote == '\'' || !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(s)
}

// short cuts what no distribution needs: these values travel with every inventory.
func short(s string) string { return s[:min(len(s), 256)] }

// debianVersion reads etc/debian_version. Only a number names a release: "bookworm/sid" stands in testing and in Ubuntu alike.
func debianVersion(line string) plimsoll.OSRelease {
	major, _, _ := strings.Cut(line, ".")
	if major == "" || strings.Trim(major, "0123456789") != "" {
		return plimsoll.OSRelease{}
	}
	return plimsoll.OSRelease{ID: "debian", VersionID: short(major)}
}

var redHatForm = regexp.MustCompile(`^(CentOS|Red Hat Enterprise Linux|AlmaLinux|Rocky Linux|Fedora|Oracle Linux)[^0-9]{0,40}([0-9][0-9.]{0,15})`)

var redHatIDs = map[string]string{
	"CentOS": "centos", "Red Hat Enterprise Linux": "rhel", "AlmaLinux": "almalinux", "Rocky Linux": "rocky",
	"Fedora": "fedora", "Oracle Linux": "ol",
}

// redHatRelease reads "CentOS release 6.10 (Final)" and its kin.
func redHatRelease(line string) plimsoll.OSRelease {
	m := redHatForm.FindStringSubmatch(line)
	if m == nil {
		return plimsoll.OSRelease{}
	}
	return plimsoll.OSRelease{ID: redHatIDs[m[1]], VersionID: m[2], PrettyName: short(line)}
}

func cleanLink(target string) string { return printable(layer.Clean(target)) }
