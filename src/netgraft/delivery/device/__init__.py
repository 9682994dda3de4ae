"""The device: its folder, its client, the model that answers while another comes."""
