"""What a host without internet needs: wheels made on a connected machine, carried there, installed and looked at."""
