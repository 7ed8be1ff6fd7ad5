package imagetest

// hostileWhiteouts are H8.
func hostileWhiteouts() []Case {
	below := []File{Dir("d"), Text("d/a", "1"), Text("d/b", "1"), Dir("real"), Text("real/x", "1"), Symlink("link", "real")}
	cases := []Case{
		tarCase("H8 whiteout of a file", WantOK, Whiteout("d/a")),
		tarCase("H8 opaque before siblings", WantOK, Dir("d"), Opaque("d"), Text("d/new", "2")),
		tarCase("H8 opaque after siblings", WantOK, Dir("d"), Text("d/new", "2"), Opaque("d")),
		tarCase("H8 whiteout without a name", WantPartial, Text(".wh.", "")),
		tarCase("H8 whiteout of a parent that is added again", WantOK, Whiteout("d"), Dir("d"), Text("d/again", "2")),
		tarCase("H8 parent added, then whited out", WantOK, Dir("d"), Text("d/again", "2"), Whiteout("d")),
		tarCase("H8 whiteout inside a symlinked folder", WantOK, Whiteout("link/x")),
		tarCase("H8 whiteout of what is not there", WantOK, Whiteout("nothing/here")),
		tarCase("H8 whiteout of a parent path", WantOKPartial, Text("d/.wh...", "")),
		tarCase("H8 opaque on the root", WantOK, Opaque(".")),
		tarCase("H8 whiteout with a body", WantOKPartial, Text("d/.wh.b", "not empty")),
	}
	for i := range cases {
		cases[i] = cases[i].over(below...)
	}
	return cases
}
