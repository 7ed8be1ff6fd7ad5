// Package exchange writes what is known of images in the forms that other programs read: the scan document of the command
// line, SARIF, CycloneDX and SPDX. One [Document] feeds them all.
package exchange
