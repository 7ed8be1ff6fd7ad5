package posturetest

import (
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// kindOf tells images apart by their digest, so that what they hold depends on nothing else: 0 is not analysed for files and
// secrets, 1 to 3 hold more and more.
func kindOf(d plimsoll.Digest) int { return int(d[len(d)-1]) % 4 }

// content gives an image secrets, files worth a look and removed packages, with hostile names among them.
func content(inv *plimsoll.Inventory) {
	kind := kindOf(inv.Image)
	if kind > 0 {
		inv.Files = append(inv.Files, owned...)
	}
	if kind > 1 {
		inv.Secrets = append(inv.Secrets,
			plimsoll.Secret{Rule: "awsaccesskey", Path: "root/.aws/credentials", Line: 3, Fingerprint: "28a0d1bb632ac698b757323d290533b9", Last4: "2Otq", Layer: 2, Hidden: true, HiddenIn: 3},
		)
		inv.Hidden = append(inv.Hidden,
			plimsoll.Package{Name: "build-essential", Version: "12.9", Ecosystem: "Debian:12", PURL: "pkg:deb/debian/build-essential@12.9", Layer: 1, HiddenIn: 3, Path: "var/lib/dpkg/status"},
			plimsoll.Package{Name: "perl", Version: "5.36.0-7" + Hostile, Ecosystem: "Debian:12", PURL: "pkg:deb/debian/perl@5.36.0-7", Layer: 0, HiddenIn: 3, Path: "var/lib/dpkg/status"},
		)
	}
	if kind > 2 {
		inv.Secrets = append(inv.Secrets,
			plimsoll.Secret{Rule: "postgrespassword", Path: "config:env:DATABASE_URL" + Hostile, Fingerprint: fmt.Sprintf("%.32s", inv.Image.Hex()), Last4: "\x1b[3m", Layer: plimsoll.LayerConfig},
			plimsoll.Secret{Rule: "privatekey", Path: "app/" + Hostile + "/tls.key", Line: 1, Fingerprint: "4709c32119cfe725e36223416fcfa068", Last4: "shW2", Layer: 2},
		)
		inv.Files = append(inv.Files,
			plimsoll.File{Path: "usr/bin/curl", Layer: 2, Kind: plimsoll.FileELF, Size: 280_801, Mode: 0o755, SHA256: Digest("curl").Hex(), Owner: "curl", Notes: []plimsoll.FileNote{plimsoll.NoteAltered}},
			plimsoll.File{Path: "usr/local/bin/.kworkerd" + Hostile, Layer: 2, Kind: plimsoll.FileELF, Size: 151_344, Mode: 0o4755, SHA256: Digest("kworkerd").Hex(), Notes: []plimsoll.FileNote{plimsoll.NoteUnowned, plimsoll.NoteSetUID}},
			plimsoll.File{Path: "opt/net", Layer: 2, Kind: plimsoll.FileScript, Size: 120, Mode: 0o777, Capabilities: "cap_net_raw" + Hostile, Owner: Hostile, Notes: []plimsoll.FileNote{plimsoll.NoteCapabilities, plimsoll.NoteWorldWritable}},
		)
	}
}

// owned are what a distribution installs with more rights than its caller's.
var owned = func() (out []plimsoll.File) {
	for _, name := range []string{"chfn", "chsh", "gpasswd", "mount", "newgrp", "passwd", "su", "umount"} {
		out = append(out, plimsoll.File{
			Path: "usr/bin/" + name, Kind: plimsoll.FileELF, Size: 62_672, Mode: 0o4755, SHA256: Digest(name).Hex(), Owner: "passwd", Notes: []plimsoll.FileNote{plimsoll.NoteSetUID},
		})
	}
	return out
}()
