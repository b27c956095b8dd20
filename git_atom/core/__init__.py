"""Values and bytes, pure: digests, canonical encoding, names, versions, URIs, manifest and lock text, statements. No effects."""
