package imagetest

import "strings"

// repeat is part again and again, about size bytes.
func repeat(part string, size int) string { return strings.Repeat(part, size/len(part)) }

func repeated(part string, size int) []byte { return []byte(repeat(part, size)) }
