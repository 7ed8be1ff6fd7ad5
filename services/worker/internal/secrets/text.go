package secrets

// SniffLen is how many bytes of a file IsText looks at.
const SniffLen = 4 << 10

// IsText decides from a file's first bytes, SniffLen at most, whether it is worth searching: no NUL, and at most one byte
// in 32 a control character that text does not use. UTF-8 and the 8-bit encodings are text. UTF-16 and UTF-32 are not, with
// or without a byte order mark: no literal would be found in them. An empty file is not text.
func IsText(head []byte) bool {
	head = head[:min(len(head), SniffLen)]
	control := 0
	for _, c := range head {
		switch {
		case c == 0:
			return false
		case c < ' ' && (c < '\b' || c > '\r') && c != 0x1b, c == 0x7f:
			control++ // all but \b \t \n \v \f \r and escape, which logs and manual pages have
		}
	}
	return len(head) > 0 && control*32 <= len(head)
}
