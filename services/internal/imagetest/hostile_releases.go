package imagetest

import "slices"

// hostileReleases are H52: images that hide what they are made of.
func hostileReleases() []Case {
	shell := Program("bin/sh", elfFile{body: repeated("\x90\xc3", 4<<10)}.bytes())
	debian := DebianLike("12", honest)
	other := slices.Concat(debian, []File{Text("etc/alpine-release", "3.20.3\n")})
	lie := append(DebianLike("12", honest), Text("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.20.3\n"))
	gone := tarCase("H52 database removed by the layer above", WantPartial, Whiteout("var/lib/dpkg/status"))
	emptied := tarCase("H52 database emptied by the layer above", WantPartial, Text("var/lib/dpkg/status", ""))
	cut := tarCase("H52 database replaced by a shorter one", WantOK, Text("var/lib/dpkg/status", DpkgStanza(Package{Name: "other", Version: "1"})))
	moved := tarCase("H52 database that is a link to elsewhere", WantPartial, append(debianBase(), Symlink("var/lib/dpkg/status", "../../../srv/.hidden"), Text("srv/.hidden", DpkgStanza(honest)))...)
	folder := tarCase("H52 folder of the database that is a link", WantOKPartial, append(DebianLike("12")[:5], Text("etc/os-release", "ID=debian\nVERSION_ID=12\n"), Symlink("var/lib/dpkg", "/srv/dpkg"), Dir("srv"), Dir("srv/dpkg"), Text("srv/dpkg/status", DpkgStanza(honest)))...)
	return []Case{
		tarCase("H52 os-release without a database", WantPartial, Text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")),
		tarCase("H52 shell without a database", WantPartial, shell),
		tarCase("H52 empty database", WantPartial, debianWith("")...),
		tarCase("H52 empty database of Alpine", WantPartial, alpineWith("")...),
		tarCase("H52 empty database of rpm", WantPartial, redHatWith(rpmSQLite, nil)...),
		tarCase("H52 one static program alone", WantOK, Program("app", elfFile{body: repeated("\x90\xc3", 4<<10)}.bytes())),
		tarCase("H52 os-release of nothing known", WantOKPartial, append(DebianLike("12", honest), Text("usr/lib/os-release", "ID=\x00\xff\nVERSION_ID=$(id)\n"))...).holds(honestHeld),
		tarCase("H52 os-release of another distribution", WantOKPartial, lie...).holds(honestHeld),
		tarCase("H52 release files of two distributions", WantOKPartial, other...).holds(honestHeld),
		tarCase("H52 distribution past its end of life", WantOK, DebianLike("10", honest)...).holds(honestHeld),
		tarCase("H52 os-release of 1 MiB", WantOKPartial, append(DebianLike("12", honest), Text("usr/lib/os-release", "ID=debian\n"+repeat("X=y\n", 1<<20)))...).holds(honestHeld),
		gone.over(debian...), emptied.over(debian...), cut.over(debian...).holds("other 1"), moved, folder,
	}
}
