package advisory

import (
	"regexp"
	"strings"
)

var pythonSeparators = regexp.MustCompile(`[-_.]+`)

// NormaliseName writes a package's name as its ecosystem compares names, so that records and inventories meet: PyPI by PEP
// 503, NuGet and Packagist without case, Go's own library and tools as the Go database calls them, Swift's by their address.
// Elsewhere a name is itself.
func NormaliseName(family, name string) string {
	switch family {
	case "PyPI":
		return strings.ToLower(pythonSeparators.ReplaceAllLiteralString(name, "-"))
	case "NuGet", "Packagist":
		return strings.ToLower(name)
	case "SwiftURL":
		_, address, ok := strings.Cut(name, "://")
		if !ok {
			address = name
		}
		return strings.ToLower(strings.TrimSuffix(address, ".git"))
	case "Go":
		if name == "go" {
			return "stdlib"
		}
	}
	return name
}
