"""What ``doctor`` looks at, one module for each part; each function yields findings and changes nothing."""
