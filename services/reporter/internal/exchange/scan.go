package exchange

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteScan writes the scan document, one image after the other: however many there are, one stands in memory. An error
// after the first byte leaves the document without its end, so that no reader takes it for a whole one.
func WriteScan(w io.Writer, d Document) error {
	head, err := json.Marshal(struct {
		Tool   Tool   `json:"tool"`
		Data   Data   `json:"data"`
		Policy Policy `json:"policy"`
	}{d.Tool, d.Data, d.Policy})
	if err != nil {
		return fmt.Errorf("scan document: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"images\":[", head[:len(head)-1]); err != nil {
		return fmt.Errorf("scan document: %w", err)
	}
	separator := "\n"
	for im, err := range d.Images {
		if err != nil {
			return err
		}
		b, err := json.Marshal(im)
		if err != nil {
			return fmt.Errorf("scan document: image %s: %w", im.Digest, err)
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, b); err != nil {
			return fmt.Errorf("scan document: %w", err)
		}
		separator = ",\n"
	}
	if _, err := io.WriteString(w, "\n]}\n"); err != nil {
		return fmt.Errorf("scan document: %w", err)
	}
	return nil
}
