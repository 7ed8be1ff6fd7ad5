package imagetest

// hostileNames are H1 to H3.
func hostileNames() []Case {
	nul := Raw(append(PAX("path", "etc/pa\x00ss"), Header{Name: "etc/pass"}.Block()...))
	return []Case{
		tarCase("H1 parent path", WantOKPartial, Text("../../etc/passwd", "root::0:0::/:/bin/sh\n")),
		tarCase("H1 parent path inside", WantOKPartial, Text("a/../../../etc/passwd", "x")),
		tarCase("H1 absolute path", WantOK, Text("/etc/passwd", "x")),
		tarCase("H1 drive letter", WantOK, Text(`C:\Windows\win.ini`, "x")),
		tarCase("H1 NUL in name", WantOK, Raw(Header{Name: "etc/pass\x00wd"}.Block())),
		tarCase("H1 NUL in PAX path", WantPartial, nul),
		tarCase("H1 dots and slashes", WantOK, Text("a//b/./../c", "x")),
		tarCase("H2 symlink with parent name", WantOKPartial, Symlink("../../x", "/etc/passwd")),
		tarCase("H3 symlink named dot", WantPartial, Symlink(".", "/tmp")),
		tarCase("H3 symlink named slash", WantPartial, Symlink("/", "/tmp")),
	}
}
