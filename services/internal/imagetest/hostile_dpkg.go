package imagetest

import (
	"fmt"
	"strings"
)

// debianBase is a Debian base but for its database.
func debianBase() []File {
	files := DebianLike("12")
	return files[:len(files)-1]
}

// debianWith is one with this database.
func debianWith(status string) []File {
	return append(debianBase(), Text("var/lib/dpkg/status", status))
}

// honest is a package beside the trap, and how it is told.
var honest = Package{Name: "zlib1g", Version: "1:1.2.13.dfsg-1"}

const honestHeld = "zlib1g 1:1.2.13.dfsg-1"

// hostileDpkg are H37.
func hostileDpkg() []Case {
	good := DpkgStanza(honest)
	status := func(name, want, body string) Case {
		return tarCase("H37 "+name, want, debianWith(body)...).holds(honestHeld)
	}
	distroless := []File{Text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), Text("var/lib/dpkg/status.d/zlib1g", "Package: zlib1g\nVersion: "+honest.Version+"\nArchitecture: amd64\n")}
	with := func(files ...File) []File { return append(distroless[:len(distroless):len(distroless)], files...) }
	return []Case{
		status("dpkg stanza of 8 MiB", WantOK, good+"Package: fat\nStatus: install ok installed\nVersion: 1\nDescription: x\n"+repeat(" more of it\n", 8<<20)+"\n"),
		status("dpkg without blank lines", WantPartial, good+withoutBlanks(1000)),
		status("dpkg without Status", WantPartial, good+"Package: nostatus\nVersion: 1\n\n"),
		status("dpkg with an empty Status", WantPartial, good+"Package: emptystatus\nStatus:\nVersion: 1\n\n"),
		status("dpkg with NUL bytes", WantPartial, good+"Package: nul\x00l\nStatus: install ok installed\nVersion\x00: 1\n\n"),
		status("dpkg with a NUL in a name", WantPartial, good+"Package: a\x00b\nStatus: install ok installed\nVersion: 1\n\n"),
		status("dpkg with an empty Source", WantOKPartial, good+"Package: nosource\nStatus: install ok installed\nSource: \nVersion: 1\n\n"),
		status("dpkg with a field twice", WantPartial, good+"Package: one\nPackage: two\nStatus: install ok installed\nVersion: 1\n\n"),
		status("dpkg cut in a stanza", WantPartial, good+"Package: cut\nStatus: install ok inst"),
		status("dpkg of 200,001 packages", WantPartial, good+manyStanzas(200_001)),
		status("dpkg of line ends alone", WantOK, good+repeat("\n", 4<<20)),
		tarCase("H37 dpkg status is a folder", WantPartial, append(debianBase(), Dir("var/lib/dpkg/status"), Text("var/lib/dpkg/status/x", good))...),
		tarCase("H37 status.d", WantOK, with()...).holds(honestHeld),
		tarCase("H37 status.d with a malformed file", WantPartial, with(Text("var/lib/dpkg/status.d/bad", "nothing that is a field"))...).holds(honestHeld),
		tarCase("H37 status.d with an empty file", WantOKPartial, with(Text("var/lib/dpkg/status.d/empty", ""))...).holds(honestHeld),
	}
}

// withoutBlanks is what dpkg refuses: fields of many packages with nothing between them.
func withoutBlanks(n int) string {
	return repeat("Package: glued\nStatus: install ok installed\nVersion: 1\n", n*len("Package: glued\nStatus: install ok installed\nVersion: 1\n"))
}

// manyStanzas are as short as records can be.
func manyStanzas(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Package: p%d\nStatus: install ok installed\nVersion: 1\n\n", i)
	}
	return b.String()
}
