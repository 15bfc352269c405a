//! Keeps caches within a budget: those that were not used for the longest time go first. Knows no other objects.

use super::{cache, error::Error, folder::Kind, name::Name, store::Store};

/// What had to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// How many caches.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
}

struct Found {
    folder: String,
    file: String,
    size: u64,
    used: (i64, i64),
}

impl Store {
    /// Deletes caches until those that are left have at most so many bytes together. One that was made just now stays,
    /// however large it is: `but` names it.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn evict_caches(&self, budget: u64, but: Option<&Name>) -> Result<Evicted, Error> {
        let mut found = self.caches()?;
        let mut total: u64 = found.iter().map(|cache| cache.size).sum();
        found.sort_by_key(|cache| cache.used);
        let mut evicted = Evicted::default();
        for Found { folder, file, size, .. } in found {
            if total <= budget {
                break;
            }
            let Ok(name) = Name::parse_object(&format!("{}/{folder}/{file}", cache::FOLDER)) else { continue };
            if but == Some(&name) {
                continue;
            }
            match self.delete(&name, false) {
                Err(error) if !error.is_missing() => return Err(error),
                _ => {}
            }
            total = total.saturating_sub(size);
            evicted.count += 1;
            evicted.bytes += size;
        }
        Ok(evicted)
    }

    fn caches(&self) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        let all = Name::parse(cache::FOLDER)?;
        for folder in self.list(&all)?.into_iter().filter(|entry| entry.is_folder) {
            let Ok(name) = Name::parse(&folder.name) else { continue };
            let inside = match self.folder(&name, false) {
                Err(Error::Missing(_) | Error::Kind { .. }) => continue,
                inside => inside?,
            };
            let disk = Error::disk(name.as_str());
            for entry in inside.entries().map_err(&disk)? {
                let Some(file) = entry.to_str().filter(|file| file.ends_with(cache::ENDING)) else { continue };
                let Some(about) = inside.about(file).map_err(&disk)?.filter(|about| about.kind == Kind::File) else {
                    continue;
                };
                let folder = folder.name.rsplit('/').next().unwrap_or_default().to_owned();
                found.push(Found { folder, file: file.to_owned(), size: about.size, used: about.modified });
            }
        }
        Ok(found)
    }
}
