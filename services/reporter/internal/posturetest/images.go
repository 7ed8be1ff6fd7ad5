package posturetest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// flawed are packages with a flaw, and the flaws.
var flawed = []struct {
	name, source, version, ecosystem, path, id, fixed, vector string
	layer                                                     int
}{
	{"log4j-core", "", "2.14.1", "Maven", "app/lib/log4j-core-2.14.1.jar", "CVE-2021-44228", "2.15.0", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 2},
	{"openssl", "openssl", "3.0.11-1~deb12u1", "Debian:12", "var/lib/dpkg/status", "CVE-2024-5535", "3.0.17-1~deb12u2", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H", 0},
	{"zlib1g", "zlib", "1:1.2.13.dfsg-1", "Debian:12", "var/lib/dpkg/status", "CVE-2023-45853", "", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 0},
	{"jackson-databind", "", "2.13.3", "Maven", "app/lib/jackson-databind-2.13.3.jar", "CVE-2022-42003", "2.13.4.2", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 2},
	{"semver", "", "7.3.7", "npm", "app/node_modules/semver/package.json", "GHSA-c2qf-rxjj-qqgw", "7.5.2", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 2},
	{"libc6", "glibc", "2.36-9+deb12u1", "Debian:12", "var/lib/dpkg/status", "CVE-2023-4911", "2.36-9+deb12u3", "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 0},
	{"libc-bin", "glibc", "2.36-9+deb12u1", "Debian:12", "var/lib/dpkg/status", "CVE-2023-4911", "2.36-9+deb12u3", "", 0},
	{"busybox", "busybox", "1.36.1-r5", "Alpine:v3.18", "lib/apk/db/installed", "CVE-2023-42366", "1.36.1-r6", "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H", 0},
	{"stdlib", "", "1.22.2", "Go", "usr/bin/orders", "CVE-2024-24790", "1.22.4", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 1},
	{"coreutils", "coreutils", "9.1-1", "Debian:12", "var/lib/dpkg/status", "CVE-2016-2781", "", "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:N/I:L/A:N", 0},
	{"node", "", "16.20.2", "Bitnami", "usr/local/bin/node", "CVE-2024-27983", "18.20.1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 1},
	{"tar", "tar", "1.34+dfsg-1.2", "Debian:12", "var/lib/dpkg/status", "CVE-2024-99999", "1.34+dfsg-1.3", "", 0},
}

// Records are the advisories of a world.
func Records() (out []plimsoll.Advisory) {
	seen := map[string]bool{}
	for i, x := range flawed {
		if seen[x.id] {
			continue
		}
		seen[x.id] = true
		name := x.name
		if x.source != "" {
			name = x.source
		}
		kind := "ECOSYSTEM"
		if x.ecosystem == "npm" || x.ecosystem == "Go" || x.ecosystem == "Bitnami" {
			kind = "SEMVER"
		}
		events := []plimsoll.Event{{Introduced: "0"}}
		if x.fixed != "" {
			events = append(events, plimsoll.Event{Fixed: x.fixed})
		}
		a := plimsoll.Advisory{
			ID: x.id, Summary: "A flaw in " + x.name + " " + Hostile, Published: Start.AddDate(-1, 0, -i), Modified: Start.AddDate(0, 0, -i),
			Affected: []plimsoll.Affected{{Ecosystem: x.ecosystem, Package: name, Ranges: []plimsoll.Range{{Type: kind, Events: events}}}},
		}
		if x.vector != "" {
			a.Severity = []plimsoll.Score{{Type: "CVSS_V3", Score: x.vector}}
		}
		if x.ecosystem == "Maven" {
			a.Aliases = []string{a.ID}
			a.ID = fmt.Sprintf("GHSA-aaaa-bbbb-%04d", i)
		}
		out = append(out, a)
	}
	return out
}

// Exploitation is what is said of exploitation in a world: one flaw stands in CISA's catalogue, of another the decision points
// say that it is exploited, and two have a score.
func Exploitation() map[enrich.Kind]string {
	return map[enrich.Kind]string{
		enrich.KEV: `{"dateReleased":"2026-11-20T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10","dueDate":"2021-12-24","knownRansomwareCampaignUse":"Known"}]}`,
		enrich.SSVC: "cve\tdate_published\tcvss_vector\tcvss_score\tssvc_exploitation\tssvc_automatable\tssvc_technical_impact\tkev\tcwe\n" +
			"CVE-2021-44228\t2021-12-10\t\t10.0\tactive\tyes\ttotal\t\t\nCVE-2023-4911\t2023-10-03\t\t7.8\tactive\tno\ttotal\t\t\nCVE-2024-5535\t2024-06-27\t\t9.1\tnone\tyes\tpartial\t\t\n",
		enrich.EPSS: "#model_version:v2026.03.14,score_date:2026-11-25T00:00:00Z\ncve,epss,percentile\nCVE-2021-44228,0.94358,0.99957\nCVE-2024-5535,0.01141,0.77616\n",
	}
}

var repositories = []string{
	"shop/orders", "shop/cart", "shop/checkout", "team/edge", "runtime/java", "runtime/node", "legacy/report", "ml/train",
	"platform/ingress", "platform/cert-manager", "data/etl-nightly-import-of-everything", "tools/ci",
}

// fill writes n tags over the repositories, of every kind, and the sweeps that found them.
func (w *World) fill(n int) {
	refs := map[[2]string][]plimsoll.Ref{}
	for i := range n {
		at := [2]string{w.Registries[i%3/2].ID, repositories[i%len(repositories)]}
		refs[at] = append(refs[at], w.random(i))
	}
	w.bases()
	for _, registry := range w.Registries {
		for _, repository := range repositories {
			if all := refs[[2]string{registry.ID, repository}]; len(all) > 0 {
				w.Put(registry.ID, repository, all...)
			}
		}
		w.sweeps(registry.ID)
	}
	w.Log(plimsoll.StreamDecisions, "anna", plimsoll.Change{Kind: plimsoll.ChangeCommand, Subject: "harbor", Text: "sweep start"})
}

// random is the i-th tag.
func (w *World) random(i int) plimsoll.Ref {
	tag := fmt.Sprintf("%d.%d.%d", 1+i/100, i/10%10, i%10)
	name := fmt.Sprint("image ", i)
	var r plimsoll.Ref
	switch {
	case i%31 == 7:
		r = w.unread(tag, name, plimsoll.Failed("blob sha256:9f2c41d07b5e answers 404 "+Hostile))
	case i%29 == 4:
		r = w.unread(tag, name, plimsoll.Coverage{State: plimsoll.ReadWaiting})
	case i%37 == 9:
		r = w.unread(tag, name, plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: "a Helm chart"})
	case i%11 == 5:
		p := w.platform(name, "amd64", w.packages(i), plimsoll.Partial("layer 3 of 6: malformed dpkg stanza"))
		r = w.tag(tag, p)
	case i%41 == 10:
		good := w.platform(name+" good", "amd64", w.packages(i), plimsoll.Complete())
		r = w.unread(tag, name, plimsoll.Coverage{State: plimsoll.ReadWaiting})
		r.LastGood = good.Digest
	case i%5 == 0:
		r = w.tag(tag, w.platform(name, "amd64", w.packages(i), plimsoll.Complete()), w.platform(name, "arm64", w.packages(i+1), plimsoll.Complete()))
	default:
		r = w.tag(tag, w.platform(name, "amd64", w.packages(i), plimsoll.Complete()))
	}
	r.Moved = w.At.Add(-time.Duration(w.rand.IntN(20*24)) * time.Hour)
	if i%4 == 3 {
		r.Moved = w.At.AddDate(0, 0, -40-w.rand.IntN(300))
	}
	r.First = r.Moved
	return r
}

// unread is a tag of which nothing was read.
func (w *World) unread(tag, name string, c plimsoll.Coverage) plimsoll.Ref {
	w.seq++
	return plimsoll.Ref{Tag: tag, Digest: Digest(name), Read: c, Observed: w.seq}
}

// packages are those of the i-th image: sound ones, and some with a flaw.
func (w *World) packages(i int) (out []plimsoll.Package) {
	eco := "Debian:12"
	if i%13 == 1 {
		eco = "Debian:13" // no advisory data
	}
	for k := range 20 + i%90 {
		name := fmt.Sprintf("lib%c%d", 'a'+k%26, k)
		out = append(out, plimsoll.Package{Name: name, Version: fmt.Sprint("1.2.", k), Source: name, Ecosystem: eco, PURL: "pkg:deb/debian/" + name + "@1.2", Layer: 0, Path: "var/lib/dpkg/status"})
	}
	want := w.rand.IntN(4) * w.rand.IntN(4)
	if i%7 == 3 {
		want = len(flawed)
	}
	for _, k := range w.rand.Perm(len(flawed))[:min(want, len(flawed))] {
		x := flawed[k]
		p := plimsoll.Package{Name: x.name, Version: x.version, Source: x.source, Ecosystem: x.ecosystem, Layer: x.layer, Path: x.path, PURL: "pkg:" + cmp.Or(map[string]string{"Bitnami": "bitnami"}[x.ecosystem], "generic") + "/" + x.name + "@" + x.version}
		if i%9 == 0 {
			p.Path += Hostile
		}
		out = append(out, p)
	}
	if i%17 == 2 {
		out = append(out, plimsoll.Package{Name: Hostile, Version: "1" + Hostile, Ecosystem: "npm", PURL: "pkg:npm/%3Dcmd", Layer: 2, Path: "../../etc/" + Hostile})
	}
	return out
}

// platform writes one image.
func (w *World) platform(name, arch string, packages []plimsoll.Package, c plimsoll.Coverage) plimsoll.RefPlatform {
	d := Digest(name + " " + arch)
	read := map[string]plimsoll.Coverage{plimsoll.AnalyzerTree: plimsoll.Complete(), plimsoll.AnalyzerPackages: c}
	if kind := kindOf(d); kind != 0 {
		read[plimsoll.AnalyzerFiles], read[plimsoll.AnalyzerSecrets] = plimsoll.Complete(), c
	}
	inv := plimsoll.Inventory{
		Image: d, Recipe: recipe, Platform: plimsoll.Platform{OS: "linux", Architecture: arch}, Read: read, Packages: packages,
		Release: plimsoll.OSRelease{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)"},
	}
	im := plimsoll.Image{
		Base: plimsoll.BaseClaim{Name: "harbor.corp.example/debian:12"}, Digest: d, Platform: inv.Platform, Labels: map[string]string{"org.opencontainers.image.source": "https://git.corp.example/shop", Hostile: Hostile},
	}
	steps := []string{
		"ADD rootfs.tar.xz / # debian bookworm", "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates openssl",
		"COPY target/ /app/ " + Hostile, "COPY config /etc/app",
	}
	for i, by := range steps {
		l := plimsoll.InventoryLayer{DiffID: diffID(d, i), Digest: Digest(fmt.Sprint(name, i)), Size: int64(4_000_000 + w.rand.IntN(90_000_000)/(i*i+1)), CreatedBy: by, Read: plimsoll.Complete(), Entries: 100}
		inv.Layers = append(inv.Layers, l)
		im.Layers = append(im.Layers, plimsoll.LayerRef{Digest: l.Digest, Size: l.Size, CreatedBy: by})
		im.History = append(im.History, plimsoll.HistoryEntry{CreatedBy: by})
	}
	im.History = append(im.History, plimsoll.HistoryEntry{CreatedBy: `CMD ["java", "-jar", "/app/orders.jar"]`, Empty: true})
	for _, p := range packages {
		inv.Ecosystems = append(inv.Ecosystems, p.Ecosystem)
	}
	content(&inv)
	w.store(inv, im, false)
	return plimsoll.RefPlatform{Platform: inv.Platform, Digest: d, Read: read}
}

// nights is how many sweeps a registry has had.
const nights = 20

func (w *World) sweeps(registry string) {
	for i := range nights {
		began := w.At.AddDate(0, 0, i-nights).Add(-11 * time.Hour)
		s := plimsoll.Sweep{
			Registry: registry, Slot: began.Format("20060102T150405Z"), State: plimsoll.SweepGreen, Recipe: recipe, Actor: "schedule", Started: began,
			Listed: began.Add(10 * time.Minute), Ended: began.Add(20 * time.Minute),
			Counts: plimsoll.SweepCount{Listed: 120, Unchanged: 110, Enqueued: 10, Requests: 240, Complete: 118, Failed: 2, LayerBytes: 214_000_000},
		}
		if i%8 == 3 {
			s.State = plimsoll.SweepRed
			s.Credentials = []plimsoll.Credential{
				{Kind: plimsoll.CredentialAccount, State: plimsoll.CredentialEnding, Expires: w.At.AddDate(0, 0, 9), Detail: "robot$plimsoll"},
				{Kind: plimsoll.CredentialServer, State: plimsoll.CredentialGood, Expires: w.At.AddDate(0, 3, 0)},
			}
			s.Causes = []plimsoll.Cause{{Reason: "blob answers 404", State: plimsoll.ReadFailed, Images: 2}}
		}
		w.check(blob.PutJSON(w.tb.Context(), w.Store, blob.SweepKey(registry, s.Slot), s))
		w.Log(registry, "sweep", plimsoll.Change{Kind: plimsoll.ChangeSweep, Subject: s.Slot, Text: string(s.State)})
	}
}
