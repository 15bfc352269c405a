//! People, who do anything to any run at any moment.

use super::{
    agenda::{MILLISECOND, SECOND},
    live::{Letter, Reply},
    server::Server,
    world::{Due, World},
};
use crate::model::{Actor, Command, Edit, NodeIndex, PipelineId};

impl World {
    pub(super) fn person(&mut self, server: &mut Option<Server>) {
        if !self.chaos.is_on() {
            return;
        }
        self.put_in(200 * MILLISECOND, 8 * SECOND, Due::Person);
        let Some(server) = server else { return };
        let Some(id) = self.luck.pick(&self.disk.pipelines()) else { return };
        let nodes: Vec<NodeIndex> = server.find(self, &id).definition().indices().collect();
        let node = self.luck.pick(&nodes).unwrap_or(NodeIndex::ROOT);
        let command = self.wanted(node);
        self.note(|| format!("somebody asks {id} for {command:?}"));
        server.post(self, &id, Letter::ask(command, Actor::Token { name: "kim".into() }, Reply::Nobody));
    }

    fn wanted(&mut self, node: NodeIndex) -> Command {
        match self.luck.below(16) {
            0..=3 => Command::Reset { node },
            4 => Command::RerunFailed { node },
            5 | 6 => Command::Skip { node },
            7 | 8 => Command::Unskip { node },
            9 | 10 => Command::Kill { node },
            11 => {
                let cpu = if self.luck.happens(500) { 2.0 } else { 0.5 };
                let edit = Edit { cpu: Some(cpu), ..Edit::default() };
                Command::Edit { node, edit, rerun: self.luck.happens(500) }
            }
            12 => Command::Sleep,
            13 | 14 => Command::Wake,
            _ if self.luck.happens(300) => Command::Cancel,
            _ => Command::Run,
        }
    }

    /// When all is calm nothing is left asleep or held.
    pub(super) fn wake_sleepers(&mut self, server: &mut Server) {
        for id in self.disk.pipelines() {
            server.find(self, &id);
        }
        let waiting: Vec<(PipelineId, Command)> = server
            .pipelines
            .iter()
            .filter(|(_, pipeline)| pipeline.finished().is_none())
            .filter_map(|(id, pipeline)| match (pipeline.asleep(), pipeline.hold()) {
                (Some(_), _) => Some((id.clone(), Command::Wake)),
                (None, Some(_)) => Some((id.clone(), Command::Run)),
                (None, None) => None,
            })
            .collect();
        for (id, command) in waiting {
            server.post(self, &id, Letter::ask(command, Actor::Server, Reply::Nobody));
        }
    }
}
