package assemble

import (
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// release reads the distribution from the merged tree: the first of the known files that leads, over symlinks, to one that names
// a distribution. unread tells that one leads to a file that no reader saw.
func (s *state) release() (r plimsoll.OSRelease, found, unread bool) {
	for _, path := range analyze.ReleaseFiles() {
		n, _ := follow(s.root, path)
		if n == nil || n.kind != plimsoll.EntryFile {
			continue
		}
		if n.file == 0 || s.files[n.file-1].release == nil {
			unread = true
			continue
		}
		if r := *s.files[n.file-1].release; r.ID != "" {
			return r, true, false
		}
	}
	return plimsoll.OSRelease{}, false, unread
}

// A distribution is how OSV names one (osv-schema, "Defined ecosystems"), and how it writes its releases.
type distribution struct {
	name   string
	suffix func(r plimsoll.OSRelease) string
}

// distributions by the ID of os-release(5). Those that OSV does not know are here only for a better name than their ID.
var distributions = map[string]distribution{
	"debian":                       {"Debian", whole},
	"ubuntu":                       {"Ubuntu", ubuntu},
	"echo":                         {"Echo", none},
	"alpine":                       {"Alpine", alpine},
	"wolfi":                        {"Wolfi", none},
	"chainguard":                   {"Chainguard", none},
	"minimos":                      {"MinimOS", none},
	"alpaquita":                    {"Alpaquita", whole},
	"bellsoft-hardened-containers": {"BellSoft Hardened Containers", whole},
	"cleanstart":                   {"CleanStart", none},
	"clnstrt":                      {"CleanStart", none},
	"rhel":                         {"Red Hat", redHat},
	"almalinux":                    {"AlmaLinux", major},
	"rocky":                        {"Rocky Linux", major},
	"openEuler":                    {"openEuler", openEuler},
	"mageia":                       {"Mageia", whole},
	"sles":                         {"SUSE", suse},
	"opensuse-leap":                {"openSUSE", leap},
	"opensuse-tumbleweed":          {"openSUSE", tumbleweed},
	"azurelinux":                   {"Azure Linux", major},
	"mariner":                      {"Azure Linux", major},

	"centos": {"CentOS", whole},
	"fedora": {"Fedora", whole},
	"amzn":   {"Amazon Linux", whole},
	"ol":     {"Oracle Linux", whole},
	"photon": {"Photon OS", whole},
}

// families of packages without any distribution.
var families = map[string]string{
	analyze.FamilyDeb: "Linux (deb)", analyze.FamilyOpkg: "Linux (opkg)", analyze.FamilyApk: "Alpine", analyze.FamilyRPM: "Linux (rpm)",
}

// ecosystem names the OSV ecosystem, with release, of an OS package. A distribution that OSV does not know gets its own name, so
// that coverage can say that nothing is known of it.
func ecosystem(family string, r plimsoll.OSRelease) string {
	if r.ID == "" {
		return families[family]
	}
	d, ok := distributions[r.ID]
	if !ok {
		d = distribution{strings.ToUpper(r.ID[:1]) + r.ID[1:], whole}
	}
	if suffix := d.suffix(r); suffix != "" {
		return d.name + ":" + suffix
	}
	return d.name
}

func none(plimsoll.OSRelease) string    { return "" }
func whole(r plimsoll.OSRelease) string { return r.VersionID }

func major(r plimsoll.OSRelease) string {
	m, _, _ := strings.Cut(r.VersionID, ".")
	return m
}

// ubuntu: April releases of even years are supported for long, and OSV says so: "22.04:LTS".
func ubuntu(r plimsoll.OSRelease) string {
	year, month, _ := strings.Cut(r.VersionID, ".")
	if month == "04" && len(year) == 2 && (year[1]-'0')%2 == 0 {
		return r.VersionID + ":LTS"
	}
	return r.VersionID
}

// alpine: "3.20.3" is v3.20; edge calls itself after the next release, "3.21_alpha20240923".
func alpine(r plimsoll.OSRelease) string {
	if strings.Contains(r.VersionID, "_alpha") || r.VersionID == "edge" {
		return "edge"
	}
	parts := strings.Split(r.VersionID, ".")
	if parts[0] == "" {
		return ""
	}
	return "v" + strings.Join(parts[:min(2, len(parts))], ".")
}

// redHat: "cpe:/o:redhat:enterprise_linux:9::baseos" is what its advisories are keyed by.
func redHat(r plimsoll.OSRelease) string {
	if _, suffix, ok := strings.Cut(r.CPE, ":redhat:"); ok {
		return suffix
	}
	return r.VersionID
}

// suse: advisories name the product, "Linux Enterprise Server 15 SP5", as the pretty name does.
func suse(r plimsoll.OSRelease) string {
	if product, ok := strings.CutPrefix(r.PrettyName, "SUSE "); ok {
		return product
	}
	return r.VersionID
}

func leap(r plimsoll.OSRelease) string {
	if r.VersionID == "" {
		return ""
	}
	return "Leap " + r.VersionID
}

func tumbleweed(plimsoll.OSRelease) string { return "Tumbleweed" }

// openEuler: "openEuler 24.03 (LTS-SP1)" is 24.03-LTS-SP1.
func openEuler(r plimsoll.OSRelease) string {
	_, qualifier, ok := strings.Cut(r.PrettyName, "(")
	qualifier = strings.ReplaceAll(strings.TrimSuffix(qualifier, ")"), " ", "-")
	if !ok || !strings.HasPrefix(qualifier, "LTS") {
		return r.VersionID
	}
	return r.VersionID + "-" + qualifier
}
