package imagetest

import "fmt"

// hostileLinks are H4 to H7.
func hostileLinks() []Case {
	return []Case{
		tarCase("H4 file through a lower symlink", WantOK, Text("a/shadow", "x")).over(Dir("etc"), Symlink("a", "/etc")),
		tarCase("H4 symlink out of the root", WantOK, Symlink("out", "../../../../etc"), Text("out/shadow", "x")),
		tarCase("H5 chain of 1000", WantOK, chain(1000)...),
		tarCase("H5 self loop", WantOK, Symlink("etc/os-release", "os-release")),
		tarCase("H5 mutual loop", WantOK, Symlink("a", "b"), Symlink("b", "a"), Text("a/file", "x")),
		tarCase("H6 hardlink to missing", WantPartial, Hardlink("etc/passwd", "nowhere")),
		tarCase("H6 hardlink to later", WantOKPartial, Hardlink("first", "second"), Text("second", "x")),
		tarCase("H6 hardlink to a folder", WantPartial, Dir("d"), Hardlink("h", "d")),
		tarCase("H6 hardlink across layers", WantOKPartial, Hardlink("etc/copy", "etc/below")).over(Dir("etc"), Text("etc/below", "x")),
		tarCase("H6 hardlink to itself", WantPartial, Hardlink("self", "self")),
		tarCase("H6 hardlink with parent target", WantPartial, Hardlink("shadow", "../../etc/shadow")),
		tarCase("H7 folder becomes a symlink", WantOK, Dir("opt"), Text("opt/old", "x"), Symlink("opt", "etc")),
		tarCase("H7 lower folder becomes a symlink", WantOK, Symlink("opt", "srv")).over(Dir("srv"), Dir("opt"), Text("opt/old", "x")),
		tarCase("H7 lower folder becomes a file", WantOK, Text("opt", "x")).over(Dir("opt"), Text("opt/old", "x")),
		tarCase("H7 lower file becomes a folder", WantOK, Dir("opt"), Text("opt/new", "x")).over(Text("opt", "x")),
	}
}

func chain(n int) (files []File) {
	for i := range n {
		files = append(files, Symlink(fmt.Sprintf("c%d", i), fmt.Sprintf("c%d", i+1)))
	}
	return files
}
