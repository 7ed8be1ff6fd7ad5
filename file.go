package plimsoll

// File is one file of an image that is worth a look: it runs with more rights than its caller's, it was changed after its
// package was installed, or no package brought it.
type File struct {
	Path   string   `json:"path"`
	Layer  int      `json:"layer"` // index, lowest = 0
	Kind   FileKind `json:"kind,omitempty"`
	Size   int64    `json:"size"`
	Mode   uint32   `json:"mode"`   // permission bits with set-uid, set-gid and sticky (07777)
	SHA256 string   `json:"sha256"` // empty when the content is not all there
	// Capabilities are the file's permitted capabilities (capabilities(7)), "cap_net_raw,cap_net_admin"; empty for nearly all.
	Capabilities string `json:"capabilities,omitempty"`
	// Owner is the package that brought the file: an OS package by its name, one of a language with its kind before it
	// ("pypi:numpy", "npm:esbuild"). Empty when none did, or when the image has no lists of owned files.
	Owner string     `json:"owner,omitempty"`
	Notes []FileNote `json:"notes"` // sorted; at least one
}

// FileKind says what a file is by its first bytes.
type FileKind string

// The kinds of files. Others are kept only for their rights.
const (
	FileELF    FileKind = "elf" // programs and shared libraries of Linux
	FileScript FileKind = "script"
	FilePE     FileKind = "pe" // of Windows
	FileMachO  FileKind = "mach-o"
	FileOther  FileKind = ""
)

// FileNote is why a file is listed.
type FileNote string

// The notes, in the order of their weight.
const (
	NoteAltered       FileNote = "altered"        // a package owns it, and its content is not what the package installed
	NoteUnverified    FileNote = "unverified"     // a package owns it, but tells no sum of it that ours could be compared with
	NoteUnowned       FileNote = "unowned"        // executable, and no package owns it although the image has OS packages' lists
	NoteSetUID        FileNote = "set-uid"        // runs as its owner
	NoteSetGID        FileNote = "set-gid"        // runs as its group
	NoteCapabilities  FileNote = "capabilities"   // has file capabilities
	NoteWorldWritable FileNote = "world-writable" // anybody may change it
)

// FileFacts are a layer's files that may be worth a look, and what its package databases say of the files they own.
type FileFacts struct {
	Files []FileEntry `json:"files"` // in the order of the tar
	Lists []FileList  `json:"lists,omitempty"`
}

// FileEntry is one regular file of a layer: an executable or script, or one with unusual rights. Its path is that of its tree
// entry.
type FileEntry struct {
	Entry        int      `json:"n"` // index among the layer's tree entries
	Kind         FileKind `json:"k,omitempty"`
	Size         int64    `json:"s"`
	Mode         uint32   `json:"m"`
	SHA256       string   `json:"h,omitempty"`    // lower-case hexadecimal, as are the others; empty when the content is cut short
	MD5          string   `json:"md5,omitempty"`  // what dpkg knows files by; empty where no dpkg package may own the file
	SHA1         string   `json:"sha1,omitempty"` // what apk knows files by; likewise
	Capabilities string   `json:"c,omitempty"`
}

// FileList is one file of a package database that tells which files its packages own. An upper layer's file replaces a
// lower layer's one at the same path.
type FileList struct {
	Path       string      `json:"path"`
	Entry      int         `json:"entry"` // index among the layer's tree entries
	Format     ListFormat  `json:"format"`
	Owners     []FileOwner `json:"owners,omitempty"`
	Diversions []Diversion `json:"diversions,omitempty"`
	Read       Coverage    `json:"read"`
}

// ListFormat names a kind of [FileList]. dpkg spreads over several files what others keep in one.
type ListFormat string

// The formats of lists.
const (
	ListDpkgPaths      ListFormat = "dpkg-list"       // info/<package>.list: paths alone
	ListDpkgSums       ListFormat = "dpkg-md5sums"    // info/<package>.md5sums; status.d/<package>.md5sums
	ListDpkgConffiles  ListFormat = "dpkg-conffiles"  // status: Conffiles
	ListDpkgDiversions ListFormat = "dpkg-diversions" // diversions
	ListApk            ListFormat = "apk"
	ListRPM            ListFormat = "rpm"
	ListChisel         ListFormat = "chisel" // manifest.wall
	ListPython         ListFormat = "python" // RECORD of an installed distribution
)

// FileOwner is one package and its files.
type FileOwner struct {
	Package string     `json:"package"`
	Files   OwnedFiles `json:"files"`
}

// Diversion is one of dpkg-divert(1): what any package but By installs at From stands at To.
type Diversion struct {
	From string `json:"from"`
	To   string `json:"to"`
	By   string `json:"by,omitempty"` // empty: the administrator's, which goes for all packages
}
