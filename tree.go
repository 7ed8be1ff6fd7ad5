package plimsoll

// TreeFacts are a layer's entries in the order of its tar: what assembly needs to overlay layers exactly as containerd's
// apply does. Paths are cleaned, relative to the image's root, without a leading slash.
type TreeFacts struct {
	Count   int         `json:"count"`
	Entries TreeEntries `json:"entries"`
	// Ignored counts entries that name nothing inside the image (a symlink named ".", an empty name), by reason.
	Ignored map[string]int `json:"ignored,omitempty"`
}

// EntryType is the type of a tar entry, a single letter.
type EntryType string

// Types of entries. Whiteouts follow the OCI image specification, "Layer Filesystem Changeset".
const (
	EntryFile     EntryType = "f"
	EntryDir      EntryType = "d"
	EntrySymlink  EntryType = "l"
	EntryHardlink EntryType = "h"
	EntryDevice   EntryType = "n" // device, fifo, socket: metadata alone
	EntryWhiteout EntryType = "w" // Path is the hidden path, not the .wh. name
	EntryOpaque   EntryType = "o" // Path is the directory whose lower content is hidden
)

// entryTypes are all types by their letter, so that decoding makes no strings.
var entryTypes = [256]EntryType{
	'f': EntryFile, 'd': EntryDir, 'l': EntrySymlink, 'h': EntryHardlink, 'n': EntryDevice, 'w': EntryWhiteout, 'o': EntryOpaque,
}

// TreeEntry is one entry of a layer's tar.
type TreeEntry struct {
	Path string
	Type EntryType
	Link string // target of a symlink as written; of a hard link, cleaned like Path
	Size int64  // bytes of a file
	Mode uint32 // permission bits with set-uid, set-gid and sticky (07777)
}
