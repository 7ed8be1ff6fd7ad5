package reporter

import "runtime/debug"

// version is the program's as the build recorded it; "devel" when it was built from a working copy.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

func userAgent() string { return "plimsoll/" + version() }
