package cli

import (
	"path/filepath"
	"strings"
)

// absolute makes paths from flags absolute, in place. The embedded S3 server changes the working directory, so that nothing
// relative may be left when it starts. URLs and empty values stay.
func absolute(paths ...*string) error {
	for _, p := range paths {
		if *p == "" || strings.Contains(*p, "://") {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}
