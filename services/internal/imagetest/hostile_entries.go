package imagetest

import "archive/tar"

// hostileEntries are H9 and H10.
func hostileEntries() []Case {
	libc := Package{Name: "libc6", Version: "2.36-9"}
	newer := Package{Name: "libc6", Version: "2.36-10"}
	return []Case{
		tarCase("H9 duplicate path", WantOK, Text("etc/motd", "first"), Text("etc/motd", "last")),
		tarCase("H9 dpkg status twice", WantOK, append(DebianLike("12", libc), Text("var/lib/dpkg/status", DpkgStanza(newer)))...),
		tarCase("H9 file, folder, file", WantOK, Text("x", "1"), Dir("x"), Text("x/y", "2"), Text("x", "3")),
		tarCase("H10 devices", WantOK, Device("dev/null", 1, 3), File{Name: "dev/sda", Type: tar.TypeBlock, Major: 8}, File{Name: "run/pipe", Type: tar.TypeFifo}),
		tarCase("H10 unknown type", WantOKPartial, Raw(Header{Name: "odd", Type: 'Z'}.Block())),
		tarCase("H10 contiguous file", WantOK, Raw(Header{Name: "cont", Type: tar.TypeCont}.Block())),
		tarCase("H10 device in place of a database", WantOKPartial, Device("var/lib/dpkg/status", 1, 5)),
	}
}
