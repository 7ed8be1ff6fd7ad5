package assemble

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

type file1 = imagetest.File

func tarOf(groups ...[]file1) []byte { return imagetest.Layer(slices.Concat(groups...)...) }

func pkg(name, version string) imagetest.Package {
	return imagetest.Package{Name: name, Version: version}
}

func lines(ps []plimsoll.Package) (out []string) {
	for _, p := range ps {
		out = append(out, strings.TrimSpace(p.Name+" "+p.Version+" L"+string(rune('0'+p.Layer))+" "+p.NotMatched))
	}
	return out
}

const statusPath = "var/lib/dpkg/status"

func status(ps ...imagetest.Package) file1 {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(imagetest.DpkgStanza(p))
	}
	return imagetest.Text(statusPath, b.String())
}

func TestPackages(t *testing.T) {
	t.Parallel()
	metadata := func(name, version string) string {
		return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
	}
	lock := func(version string) file1 {
		return imagetest.Text("app/node_modules/.package-lock.json",
			`{"name":"app","lockfileVersion":3,"packages":{"node_modules/left":{"version":"1.0.0","resolved":"https://npm.corp.example/left"},"node_modules/right":{"version":"`+version+`"}}}`)
	}
	debian := imagetest.DebianLike("12", pkg("a", "1"), pkg("b", "1"))
	tests := map[string]struct {
		layers          [][]byte
		visible, hidden []string
		read            plimsoll.Coverage // of packages
	}{
		"a package's layer is where it came": {
			[][]byte{tarOf(debian), tarOf([]file1{status(pkg("a", "1"), pkg("b", "2"), pkg("c", "1"))}), tarOf([]file1{status(pkg("a", "1"), pkg("b", "2"))})},
			[]string{"a 1 L0", "b 2 L1"}, []string{"b 1 L0", "c 1 L1"}, plimsoll.Complete(),
		},
		"a package that comes back is as old as its return": {
			[][]byte{tarOf(debian), tarOf([]file1{status(pkg("b", "1"))}), tarOf([]file1{status(pkg("a", "1"), pkg("b", "1"))})},
			[]string{"a 1 L2", "b 1 L0"}, nil, plimsoll.Complete(),
		},
		"a database that comes back starts anew": {
			[][]byte{tarOf(debian), tarOf([]file1{imagetest.Whiteout(statusPath)}), tarOf([]file1{status(pkg("a", "1"))})},
			[]string{"a 1 L2"}, []string{"b 1 L0"}, plimsoll.Complete(),
		},
		"a removed database": {
			[][]byte{tarOf(debian), tarOf([]file1{imagetest.Whiteout("var/lib/dpkg")})},
			nil, []string{"a 1 L0", "b 1 L0"}, plimsoll.Partial("no package database"),
		},
		"an empty database": {
			[][]byte{tarOf(debian), tarOf([]file1{imagetest.Text(statusPath, "")})},
			nil, []string{"a 1 L0", "b 1 L0"}, plimsoll.Partial("the package database is empty"),
		},
		"a malformed record is told, the others stand": {
			[][]byte{tarOf(debian, []file1{imagetest.Text(statusPath, imagetest.DpkgStanza(pkg("a", "1"))+"Package: x\nVersion: 1\n\n"+imagetest.DpkgStanza(pkg("b", "1")))})},
			[]string{"a 1 L0", "b 1 L0"}, nil, plimsoll.Partial("os/dpkg: malformed record"),
		},
		"a malformed database that is overwritten does not count": {
			[][]byte{tarOf(debian, []file1{imagetest.Text(statusPath, "Package: x\n\n")}), tarOf([]file1{status(pkg("a", "1"))})},
			[]string{"a 1 L1"}, []string{"b 1 L0"}, plimsoll.Complete(),
		},
		"a removed file": {
			[][]byte{tarOf([]file1{imagetest.Text("opt/x.dist-info/METADATA", metadata("x", "1"))}), tarOf([]file1{imagetest.Whiteout("opt")})},
			nil, []string{"x 1 L0"}, plimsoll.Complete(),
		},
		"a folder that becomes a link": {
			[][]byte{tarOf([]file1{imagetest.Text("opt/x.dist-info/METADATA", metadata("x", "1"))}), tarOf([]file1{imagetest.Symlink("opt", "srv")})},
			nil, []string{"x 1 L0"}, plimsoll.Complete(),
		},
		"a file below a link of a lower layer, overwritten by its real name": {
			[][]byte{
				tarOf([]file1{imagetest.Dir("srv"), imagetest.Symlink("opt", "srv")}),
				tarOf([]file1{imagetest.Text("opt/x.dist-info/METADATA", metadata("x", "1"))}),
				tarOf([]file1{imagetest.Text("srv/x.dist-info/METADATA", metadata("x", "2"))}),
			},
			[]string{"x 2 L2"}, []string{"x 1 L1"}, plimsoll.Complete(),
		},
		"a second name keeps a file": {
			[][]byte{
				tarOf([]file1{imagetest.Text("opt/x.dist-info/METADATA", metadata("x", "1"))}),
				tarOf([]file1{imagetest.Hardlink("keep", "opt/x.dist-info/METADATA")}),
				tarOf([]file1{imagetest.Whiteout("opt")}),
			},
			[]string{"x 1 L0"}, nil, plimsoll.Complete(),
		},
		"a database as a hard link to another name": {
			[][]byte{tarOf([]file1{imagetest.Text("store/42", imagetest.DpkgStanza(pkg("a", "1"))), imagetest.Hardlink(statusPath, "store/42")})},
			nil, nil, plimsoll.Partial("os/dpkg: hard link to a file that was not read"),
		},
		"a database behind a link": {
			[][]byte{tarOf(debian), tarOf([]file1{imagetest.Text("store/42", imagetest.DpkgStanza(pkg("a", "1"))), imagetest.Symlink(statusPath, "/store/42")})},
			nil, []string{"a 1 L0", "b 1 L0"}, plimsoll.Partial("no package database"),
		},
		"the last of two entries counts": {
			[][]byte{tarOf([]file1{status(pkg("a", "1")), status(pkg("a", "2"))})},
			[]string{"a 2 L0"}, []string{"a 1 L0"}, plimsoll.Complete(),
		},
		"npm's hidden lock file speaks for the folders": {
			[][]byte{
				tarOf([]file1{lock("1.0.0"), imagetest.Text("app/node_modules/left/package.json", `{"name":"left","version":"1.0.0"}`)}),
				tarOf([]file1{lock("2.0.0")}),
			},
			[]string{"left 1.0.0 L0", "right 2.0.0 L1"}, []string{"right 1.0.0 L0"}, plimsoll.Complete(),
		},
		"a file of an OS package": {
			[][]byte{tarOf(debian, []file1{
				imagetest.Text("usr/lib/python3/dist-packages/six.egg-info/PKG-INFO", metadata("six", "1.16")),
				imagetest.Text("var/lib/dpkg/info/python3-six.list", "/.\n/usr\n/usr/lib/python3/dist-packages/six.egg-info/PKG-INFO\n"),
			})},
			[]string{"a 1 L0", "b 1 L0", "six 1.16 L0 installed by python3-six"}, nil, plimsoll.Complete(),
		},
		"kernel sources": {
			[][]byte{tarOf(imagetest.DebianLike("12", imagetest.Package{Name: "linux-libc-dev", Version: "6", Source: "linux"}))},
			[]string{"linux-libc-dev 6 L0 kernel sources: a container runs on its host's kernel"}, nil, plimsoll.Complete(),
		},
		"a format that is not read": {
			[][]byte{tarOf(debian, []file1{imagetest.Text("nix/var/nix/db/db.sqlite", "x")})},
			[]string{"a 1 L0", "b 1 L0"}, nil, plimsoll.Partial("unsupported: Nix store"),
		},
		"scratch with a program": {
			[][]byte{tarOf([]file1{imagetest.Program("app", []byte("\x7fELF but no more"))})}, nil, nil, plimsoll.Complete(),
		},
		"a shell without a database": {
			[][]byte{tarOf([]file1{imagetest.Program("bin/busybox", []byte("x")), imagetest.Symlink("bin/sh", "busybox")})},
			nil, nil, plimsoll.Partial("no package database"),
		},
		"no layers": {nil, nil, nil, plimsoll.Complete()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv, _ := inventoryOf(t, tt.layers...)
			if diff := cmp.Diff(tt.visible, lines(inv.Packages)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.hidden, lines(inv.Hidden)); diff != "" {
				t.Errorf("hidden (-want +got):\n%s", diff)
			}
			if got := inv.Read[plimsoll.AnalyzerPackages]; got != tt.read {
				t.Errorf("read = %+v, want %+v", got, tt.read)
			}
		})
	}
}

func TestEcosystems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		family string
		r      plimsoll.OSRelease
		want   string
	}{
		{analyze.FamilyDeb, plimsoll.OSRelease{ID: "debian", VersionID: "12"}, "Debian:12"},
		{analyze.FamilyDeb, plimsoll.OSRelease{ID: "debian"}, "Debian"},
		{analyze.FamilyDeb, plimsoll.OSRelease{ID: "ubuntu", VersionID: "22.04"}, "Ubuntu:22.04:LTS"},
		{analyze.FamilyDeb, plimsoll.OSRelease{ID: "ubuntu", VersionID: "25.10"}, "Ubuntu:25.10"},
		{analyze.FamilyDeb, plimsoll.OSRelease{ID: "ubuntu", VersionID: "23.04"}, "Ubuntu:23.04"},
		{analyze.FamilyDeb, plimsoll.OSRelease{}, "Linux (deb)"},
		{analyze.FamilyApk, plimsoll.OSRelease{ID: "alpine", VersionID: "3.20.3"}, "Alpine:v3.20"},
		{analyze.FamilyApk, plimsoll.OSRelease{ID: "alpine", VersionID: "3.21_alpha20240923"}, "Alpine:edge"},
		{analyze.FamilyApk, plimsoll.OSRelease{ID: "wolfi", VersionID: "20230201"}, "Wolfi"},
		{analyze.FamilyApk, plimsoll.OSRelease{ID: "alpaquita", VersionID: "23"}, "Alpaquita:23"},
		{analyze.FamilyApk, plimsoll.OSRelease{ID: "bellsoft-hardened-containers", VersionID: "25"}, "BellSoft Hardened Containers:25"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "almalinux", VersionID: "9.6"}, "AlmaLinux:9"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "rocky", VersionID: "9.6"}, "Rocky Linux:9"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "rhel", VersionID: "9.4", CPE: "cpe:/o:redhat:enterprise_linux:9::baseos"}, "Red Hat:enterprise_linux:9::baseos"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "sles", VersionID: "15.5", PrettyName: "SUSE Linux Enterprise Server 15 SP5"}, "SUSE:Linux Enterprise Server 15 SP5"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "opensuse-leap", VersionID: "15.5"}, "openSUSE:Leap 15.5"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "azurelinux", VersionID: "3.0"}, "Azure Linux:3"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "mariner", VersionID: "2.0"}, "Azure Linux:2"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "openEuler", VersionID: "24.03", PrettyName: "openEuler 24.03 (LTS-SP1)"}, "openEuler:24.03-LTS-SP1"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "openEuler", VersionID: "24.09", PrettyName: "openEuler 24.09"}, "openEuler:24.09"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "amzn", VersionID: "2023"}, "Amazon Linux:2023"},
		{analyze.FamilyRPM, plimsoll.OSRelease{ID: "eurolinux", VersionID: "9.4"}, "Eurolinux:9.4"},
	}
	for _, tt := range tests {
		if got := ecosystem(tt.family, tt.r); got != tt.want {
			t.Errorf("ecosystem(%s, %+v) = %q, want %q", tt.family, tt.r, got, tt.want)
		}
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	const debian = "ID=debian\nVERSION_ID=\"12\"\n"
	tests := map[string]struct {
		layers [][]byte
		want   plimsoll.OSRelease
		read   plimsoll.Coverage
	}{
		"over a link": {[][]byte{tarOf(imagetest.DebianLike("12", pkg("a", "1")))},
			plimsoll.OSRelease{ID: "debian", VersionID: "12", VersionCodename: "bookworm", PrettyName: "Debian GNU/Linux 12 (bookworm)"}, plimsoll.Complete()},
		"an upper layer's file wins": {[][]byte{tarOf(imagetest.AlpineLike("3.19.1", pkg("a", "1"))), tarOf([]file1{imagetest.Text("etc/os-release", "ID=alpine\nVERSION_ID=3.20.0\n")})},
			plimsoll.OSRelease{ID: "alpine", VersionID: "3.20.0"}, plimsoll.Complete()},
		"the older files": {[][]byte{tarOf([]file1{imagetest.Text("etc/redhat-release", "CentOS release 6.10 (Final)\n"), status(pkg("a", "1"))})},
			plimsoll.OSRelease{ID: "centos", VersionID: "6.10", PrettyName: "CentOS release 6.10 (Final)"}, plimsoll.Complete()},
		"a link to a file that is none": {[][]byte{tarOf([]file1{imagetest.Text("opt/release", debian), imagetest.Symlink("etc/os-release", "/opt/release"), status(pkg("a", "1"))})},
			plimsoll.OSRelease{}, plimsoll.Partial("os-release is a link to a file that was not read")},
		"a loop": {[][]byte{tarOf([]file1{imagetest.Symlink("etc/os-release", "os-release"), status(pkg("a", "1"))})},
			plimsoll.OSRelease{}, plimsoll.Complete()},
	}
	for name, tt := range tests {
		inv, _ := inventoryOf(t, tt.layers...)
		if diff := cmp.Diff(tt.want, inv.Release); diff != "" {
			t.Errorf("%s: release (-want +got):\n%s", name, diff)
		}
		if got := inv.Read[plimsoll.AnalyzerPackages]; got != tt.read {
			t.Errorf("%s: read %+v, want %+v", name, got, tt.read)
		}
	}
}

func TestLyingConfiguration(t *testing.T) {
	t.Parallel()
	b := tarOf([]file1{imagetest.Text("a", "x")})
	s := (&state{}).next(plimsoll.DigestOf(b), int64(len(b)), factsOf(t, b))
	img := plimsoll.Image{Layers: []plimsoll.LayerRef{{Digest: plimsoll.DigestOf(b), Claim: plimsoll.DiffID(plimsoll.DigestOf([]byte("a famous base")))}}}
	inv := inventory(img, "recipe", s, s.owned(), bothAnalyzers)
	if got := inv.Read[plimsoll.AnalyzerTree]; !got.Short() {
		t.Errorf("read = %+v, want short: the configuration lies", got)
	}
	if got := inv.Layers[0].DiffID; got != plimsoll.DiffID(plimsoll.DigestOf(b)) {
		t.Errorf("diff ID = %s, want our own", got)
	}
}

// TestOrderOfImages: whichever images were assembled before, on whatever merged prefixes, the bytes are the same.
func TestOrderOfImages(t *testing.T) {
	t.Parallel()
	base := tarOf(imagetest.DebianLike("12", pkg("a", "1"), pkg("b", "1")))
	chains := [][][]byte{
		{base},
		{base, tarOf([]file1{status(pkg("a", "2"), pkg("b", "1"))})},
		{base, tarOf([]file1{status(pkg("a", "2"), pkg("b", "1"))}), tarOf(imagetest.NodeApp("x", pkg("left", "1.0.0")))},
		{base, tarOf(imagetest.NodeApp("x", pkg("left", "1.0.0")))},
		{tarOf(imagetest.NodeApp("x", pkg("left", "1.0.0"))), base},
	}
	bucket := newMemory(t, chains)
	var want map[plimsoll.Digest]string
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 3))
		bucket.inventories = map[plimsoll.Digest]string{}
		a := New(bucket, "recipe", bucket.analyzers, quietLog())
		for _, i := range append(r.Perm(len(chains)), r.Perm(len(chains))...) {
			if _, err := a.Assemble(t.Context(), bucket.images[i].Digest); err != nil {
				t.Fatal(err)
			}
		}
		if want == nil {
			want = maps.Clone(bucket.inventories)
		}
		if diff := cmp.Diff(want, bucket.inventories); diff != "" {
			t.Fatalf("seed %d: inventories differ (-first +this):\n%s", seed, diff)
		}
	}
}

func TestInventoryIsStableJSON(t *testing.T) {
	t.Parallel()
	layers := [][]byte{tarOf(imagetest.AlpineLike("3.20.3", pkg("a", "1"))), tarOf(imagetest.NodeApp("x", pkg("left", "1.0.0"), pkg("right", "2")))}
	first, _ := inventoryOf(t, layers...)
	for range 5 {
		again, _ := inventoryOf(t, layers...)
		a, _ := json.Marshal(first)
		b, _ := json.Marshal(again)
		if string(a) != string(b) {
			t.Fatalf("two inventories of the same layers differ:\n%s\n%s", a, b)
		}
	}
}
